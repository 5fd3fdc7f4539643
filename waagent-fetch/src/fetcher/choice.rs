//! Which channel's extensions are in force.

use super::Current;
use crate::goal_state::model::ExtensionsState;

/// Of what is new, what was made later wins, ExtensionsConfig on a tie; and it is taken over unless it is older than
/// what is in force.
pub(crate) fn choose(
    current: Option<&Current>,
    fabric: Option<ExtensionsState>,
    fast_track: Option<ExtensionsState>,
) -> Option<ExtensionsState> {
    let winner = match (fabric, fast_track) {
        (Some(fabric), Some(fast)) if fast.created_on > fabric.created_on => fast,
        (Some(fabric), _) => fabric,
        (None, fast) => fast?,
    };
    let is_older = current.is_some_and(|current| winner.created_on < current.created_on);
    if is_older { None } else { Some(winner) }
}

#[cfg(test)]
mod tests {
    use waagent_common::documents::GoalStateSource;

    use super::*;
    use crate::goal_state::extensions_config::empty;
    use crate::goal_state::wire::Identity;

    fn state(id: &str, created_on: &str) -> ExtensionsState {
        ExtensionsState { created_on: created_on.to_owned(), id: id.to_owned(), ..empty("1") }
    }

    fn chosen(
        current: Option<&str>,
        fabric: Option<ExtensionsState>,
        fast: Option<ExtensionsState>,
    ) -> Option<String> {
        let text = String::new;
        let identity =
            Identity { incarnation: text(), container_id: text(), instance_id: text(), config_name: text() };
        let current = current.map(|created_on| Current {
            identity,
            id: text(),
            created_on: created_on.to_owned(),
            source: GoalStateSource::Fabric,
        });
        choose(current.as_ref(), fabric, fast).map(|state| state.id)
    }

    #[test]
    fn the_later_one_wins_and_extensions_config_on_a_tie() {
        assert_eq!(chosen(None, Some(state("f", "2")), Some(state("t", "3"))).as_deref(), Some("t"));
        assert_eq!(chosen(None, Some(state("f", "3")), Some(state("t", "3"))).as_deref(), Some("f"));
        assert_eq!(chosen(None, Some(state("f", "3")), None).as_deref(), Some("f"));
        assert_eq!(chosen(Some("3"), None, Some(state("t", "3"))).as_deref(), Some("t"));
    }

    #[test]
    fn nothing_older_replaces_what_is_in_force() {
        assert_eq!(chosen(Some("3"), Some(state("f", "2")), None), None);
        assert_eq!(chosen(Some("3"), None, Some(state("t", "2"))), None);
        assert_eq!(chosen(Some("3"), None, None), None);
    }
}
