# expand.awk ATTRIBUTES ALLOW: rules without attributes, one permission a line: `source target class permission [condition]`.
# All of our own domains, but for what `skip` names; of others what lets them change, read, enter or drive ours.
FNR == NR {
    gsub(/;/, "")
    if ($1 == "attribute") attribute = $2
    else if (NF == 1) members[attribute] = members[attribute] " " $1
    next
}
$1 == "allow" {
    condition = ""
    if (match($0, /; \[.*/)) {
        condition = substr($0, RSTART + 2)
        gsub(/ /, "", condition)
        condition = " " condition
        $0 = substr($0, 1, RSTART - 1)
    }
    gsub(/[{};]/, "")
    split($3, object, ":")
    class = object[2]
    sources = split(($2 in members) ? members[$2] : $2, from, " ")
    targets = split((object[1] in members) ? members[object[1]] : object[1], to, " ")
    for (i = 1; i <= sources; i++) {
        ours = from[i] ~ /^waagent_/ && from[i] != skip
        if (!ours && class !~ /^(dir|file|lnk_file|process|service)$/) continue
        for (j = 1; j <= targets; j++)
            if (ours || to[j] ~ /^waagent_/)
                for (k = 4; k <= NF; k++)
                    if (ours || $k ~ /^(add_name|append|create|dyntransition|entrypoint|ptrace|read|relabelto|remove_name|rename|start|stop|transition|unlink|write)$/)
                        print from[i], to[j], class, $k condition
    }
}
