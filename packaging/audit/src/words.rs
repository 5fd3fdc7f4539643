//! SELinux rules in words: what the interfaces of the reference policy mean, and the permissions of a rule.

use anyhow::{Result, anyhow};
use waagent_declaration::selinux::{Context, Rule, Shape, paths_of, words};

/// A rule in words; an interface that the table doesn't know goes by its name, and fails a test.
pub fn of(rule: &Rule, contexts: &[Context]) -> String {
    translate(rule, contexts).unwrap_or_else(|_| format!("what this interface allows: `{}`", rule.text))
}

/// A rule in words; an interface that the table doesn't know is an error that names it.
pub fn translate(rule: &Rule, contexts: &[Context]) -> Result<String> {
    let text = match rule.shape() {
        Some(Shape::Allow { targets, class, permissions, .. }) => {
            allow(&targets, &class, &permissions, contexts)
        }
        Some(Shape::Call { name, arguments }) => call(&name, &arguments, contexts)?,
        None => declaration(&rule.text),
    };
    Ok(match &rule.condition {
        Some(condition) => format!("{text}, {condition}"),
        None => text,
    })
}

fn allow(targets: &[String], class: &str, permissions: &[String], contexts: &[Context]) -> String {
    let permissions = permissions.iter().map(|word| permission(word)).collect::<Vec<_>>().join(", ");
    if targets.iter().all(|target| target == "self") {
        return match class {
            "capability" => format!("capabilities: {}", permissions.to_uppercase()),
            "passwd" => "set passwords of others, as passwd(1) asks the policy".to_owned(),
            "process" => format!("its own process: {permissions}"),
            _ => format!("own {}: {permissions}", class_words(class)),
        };
    }
    format!("{}: {permissions}: {}", class_words(class), types(targets, contexts))
}

fn call(name: &str, arguments: &[String], contexts: &[Context]) -> Result<String> {
    let objects = || types(&words(arguments.last().map_or("", String::as_str)), contexts);
    let pattern = PATTERNS.iter().find(|(known, _)| *known == name);
    if let Some((_, meaning)) = pattern {
        return Ok(format!("{meaning}: {}", objects()));
    }
    if name == "filetrans_pattern" {
        let kind = words(arguments.get(2).map_or("", String::as_str));
        return Ok(format!("what it makes in the folder gets its own type: {}", types(&kind, contexts)));
    }
    if name == "domtrans_pattern" {
        return Ok(format!("what it executes goes on as `{}`", arguments.last().map_or("", String::as_str)));
    }
    let interface = INTERFACES.iter().find(|(known, _)| *known == name);
    interface.map(|(_, meaning)| (*meaning).to_owned()).ok_or_else(|| {
        anyhow!("no words for the interface '{name}'; add them in packaging/audit/src/words.rs")
    })
}

/// Declarations within a section.
fn declaration(text: &str) -> String {
    format!("declares: {text}")
}

/// Types, with the paths that have them.
fn types(names: &[String], contexts: &[Context]) -> String {
    let one = |name: &String| {
        if name == "waagent_document_type" {
            return "the folders of documents of all programs".to_owned();
        }
        let paths = paths_of(contexts, name);
        match paths.as_slice() {
            [] => format!("`{name}`"),
            paths => paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", "),
        }
    };
    names.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn permission(word: &str) -> &str {
    PERMISSIONS.iter().find(|(name, _)| *name == word).map_or(word, |(_, meaning)| meaning)
}

fn class_words(class: &str) -> &str {
    CLASSES.iter().find(|(name, _)| *name == class).map_or(class, |(_, meaning)| meaning)
}

/// Patterns of the reference policy: their last argument is what is acted on.
const PATTERNS: &[(&str, &str)] = &[
    ("append_files_pattern", "append to files"),
    ("can_exec", "execute without leaving its own domain"),
    ("domain_entry_file", "may be entered by executing"),
    ("manage_dirs_pattern", "make, list and remove folders"),
    ("delete_files_pattern", "remove files"),
    ("manage_files_pattern", "make, read, write and remove files"),
    ("manage_lnk_files_pattern", "make, read and remove links"),
    ("read_files_pattern", "read files"),
    ("read_lnk_files_pattern", "read links"),
    ("list_dirs_pattern", "list folders"),
    ("watch_dirs_pattern", "watch folders"),
];

/// Sets of permissions, and permissions that have odd names.
const PERMISSIONS: &[(&str, &str)] = &[
    ("append", "append"),
    ("connectto", "connect to"),
    ("create_socket_perms", "open and use"),
    ("create_stream_socket_perms", "open, listen and use"),
    ("getattr", "look at its attributes"),
    ("getopt", "read options"),
    ("list_dir_perms", "list"),
    ("manage_file_perms", "make, read, write and remove"),
    ("nnp_transition", "enter in spite of no_new_privs"),
    ("r_netlink_socket_perms", "ask"),
    ("read_file_perms", "read"),
    ("read_lnk_file_perms", "read"),
    ("relabelfrom", "take the label from"),
    ("relabelto", "give the label to"),
    ("rw_fifo_file_perms", "read and write"),
    ("rw_socket_perms", "read and write"),
    ("search_dir_perms", "walk through"),
    ("setopt", "set options"),
    ("signal_perms", "send signals"),
    ("use", "use what it passed"),
    ("watch", "watch"),
    ("write_sock_file_perms", "write"),
];

const CLASSES: &[(&str, &str)] = &[
    ("dir", "folders"),
    ("fd", "descriptors"),
    ("fifo_file", "pipes"),
    ("file", "files"),
    ("lnk_file", "links"),
    ("netlink_netfilter_socket", "netlink sockets of nf_tables"),
    ("netlink_route_socket", "netlink sockets of links and routes"),
    ("process2", "domains of tools"),
    ("service", "units"),
    ("sock_file", "socket files"),
    ("tcp_socket", "TCP sockets"),
    ("udp_socket", "UDP sockets"),
    ("unix_dgram_socket", "local datagram sockets"),
    ("unix_stream_socket", "local sockets"),
];

/// Interfaces of the reference policy, and what they come to here.
const INTERFACES: &[(&str, &str)] = &[
    ("auth_read_passwd", "read `/etc/passwd` and `/etc/group`"),
    ("corecmd_exec_bin", "execute programs of `/usr/bin` and `/usr/sbin` in its own domain"),
    ("corecmd_exec_shell", "execute a shell in its own domain"),
    ("corecmd_getattr_all_executables", "look at the attributes of installed programs"),
    ("corecmd_search_bin", "walk through `/usr/bin`"),
    ("corecmd_shell_domtrans", "a shell that it executes goes on in `waagent_ext_confined_t`"),
    ("corecmd_shell_entry_type", "may be entered by executing a shell"),
    ("corenet_tcp_connect_all_unreserved_ports", "connect to any TCP port above 1023 that no service owns"),
    ("corenet_tcp_connect_http_cache_port", "connect to the TCP ports of web caches"),
    ("corenet_tcp_connect_http_port", "connect to the TCP ports of web servers (80, 443 ...)"),
    ("corenet_tcp_connect_squid_port", "connect to the TCP ports of Squid"),
    ("dev_getattr_all_blk_files", "look at the attributes of block devices"),
    ("dev_read_rand", "read `/dev/random`"),
    ("dev_read_sysfs", "read `/sys`"),
    ("dev_read_urand", "read `/dev/urandom`"),
    ("dev_rw_sysfs", "read and write `/sys`"),
    ("dev_watch_dev_dirs", "watch `/dev`"),
    ("dev_write_urand", "write to `/dev/urandom`"),
    ("domain_type", "is a domain"),
    ("files_exec_etc_files", "execute files of `/etc`"),
    ("files_manage_etc_dirs", "make and remove folders in `/etc`"),
    ("files_manage_etc_files", "make, write and remove files in `/etc`"),
    ("files_manage_mnt_dirs", "make and remove folders in `/mnt`"),
    ("files_manage_mnt_files", "make, write and remove files in `/mnt`"),
    ("files_read_etc_files", "read ordinary files of `/etc`"),
    ("files_read_etc_runtime_files", "read files of `/etc` that are made at boot"),
    ("files_read_usr_files", "read `/usr/share`"),
    ("files_search_home", "walk through `/home`"),
    ("files_search_mnt", "walk through `/mnt`"),
    ("files_search_runtime", "walk through `/run`"),
    ("files_search_spool", "walk through `/var/spool`"),
    ("files_search_var_lib", "walk through `/var/lib`"),
    ("fs_list_dos", "list folders of FAT media"),
    ("fs_read_dos_files", "read files of FAT media"),
    ("fs_getattr_all_fs", "ask file systems for their free space"),
    ("fs_getattr_xattr_fs", "ask ordinary file systems for their free space"),
    ("fs_mount_xattr_fs", "mount ordinary file systems"),
    ("fs_remount_xattr_fs", "remount ordinary file systems"),
    ("fs_unmount_xattr_fs", "unmount ordinary file systems"),
    ("fstools_domtrans", "run mkfs and fsck in the distribution's domain `fsadm_t`"),
    ("init_dgram_send", "send to the service manager's socket (sd_notify)"),
    ("init_list_unit_dirs", "list the folders of units"),
    ("init_rw_stream_sockets", "use the streams that PID 1 gave it"),
    ("init_stream_connect", "connect to the service manager's socket"),
    ("init_use_fds", "use descriptors that PID 1 gave it"),
    ("kernel_getattr_proc", "ask how large the file system `/proc` is"),
    ("kernel_read_crypto_sysctls", "read `/proc/sys/crypto`"),
    ("kernel_read_kernel_sysctls", "read `/proc/sys/kernel`"),
    ("kernel_read_network_state", "read the kernel's tables of the network in `/proc/net`"),
    ("kernel_read_system_state", "read `/proc` but for other processes"),
    ("kernel_request_load_module", "make the kernel load a module that it misses"),
    ("logging_search_logs", "walk through `/var/log`"),
    ("logging_send_audit_msgs", "send audit messages"),
    ("logging_send_syslog_msg", "write to the journal and the system log"),
    ("miscfiles_read_generic_certs", "read the system's certificate authorities"),
    ("miscfiles_read_localization", "read time zone and locale"),
    ("networkmanager_read_lib_files", "read the leases of NetworkManager"),
    ("sysnet_read_dhcpc_state", "read the leases of dhclient and dhcpcd"),
    ("selinux_get_enforce_mode", "ask whether SELinux is enforcing"),
    ("selinux_getattr_fs", "see that SELinux is there"),
    ("seutil_domtrans_setfiles", "run restorecon in the distribution's domain `setfiles_t`"),
    ("ssh_domtrans_keygen", "run ssh-keygen in the distribution's domain `ssh_keygen_t`"),
    ("ssh_manage_home_files", "make, write and remove files in `~/.ssh`"),
    ("storage_raw_read_fixed_disk", "read disks as block devices"),
    ("storage_raw_read_removable_device", "read removable media as block devices"),
    ("storage_raw_write_fixed_disk", "write disks as block devices"),
    ("sysnet_dns_name_resolve", "open sockets of TCP and UDP and local ones, and ask name servers"),
    ("sysnet_manage_config", "write the network's files in `/etc` (host name, hosts)"),
    ("systemd_hostnamed_manage_config", "make, read, write and remove the file of the host name"),
    ("systemd_read_networkd_runtime", "read the leases of systemd-networkd"),
    ("term_use_console", "write to the console"),
    ("udev_read_runtime_files", "read what udev knows of devices"),
    ("unconfined_domain_noaudit", "**everything: this domain is unconfined**"),
    ("usermanage_domtrans_passwd", "run passwd and chpasswd in the distribution's domain `passwd_t`"),
    ("usermanage_domtrans_useradd", "run useradd in the distribution's domain `useradd_t`"),
    ("userdom_manage_user_home_content_dirs", "make and remove folders in homes"),
    ("userdom_manage_user_home_content_files", "make, write and remove files in homes"),
    (
        "userdom_user_home_dir_filetrans_user_home_content",
        "what it makes in a home gets the label of its content",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use waagent_declaration::selinux::{Module, contexts};

    fn said(rule: &str) -> Result<String> {
        let contexts = contexts("/var/lib/w/net(/.*)? gen_context(system_u:object_r:n_t,s0)\n");
        let module = Module::parse(&format!("####\n# x local policy\n#\n\n{rule}\n"));
        translate(&module.of("x").unwrap().rules[0], &contexts)
    }

    #[test]
    fn says_rules_with_the_paths_of_their_types() {
        assert_eq!(
            said("manage_files_pattern(x_t, n_t, n_t)").unwrap(),
            "make, read, write and remove files: `/var/lib/w/net`"
        );
        assert_eq!(said("allow x_t self:capability net_admin;").unwrap(), "capabilities: NET_ADMIN");
        assert_eq!(
            said("allow x_t y_t:tcp_socket { read setopt };").unwrap(),
            "TCP sockets: read, set options: `y_t`"
        );
    }

    #[test]
    fn names_an_interface_that_it_has_no_words_for() {
        assert!(said("files_delete_all(x_t)").unwrap_err().to_string().contains("'files_delete_all'"));
    }

    #[test]
    fn the_tables_are_sorted_enough_to_hold_no_name_twice() {
        let mut names: Vec<&str> = INTERFACES.iter().chain(PATTERNS).map(|(name, _)| *name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
