//! The known key that was probably meant.

use super::table::Key;

/// The key nearest to `name`, if it is near enough to be a slip of the pen.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    Key::all()
        .map(|key| key.row().name)
        .map(|known| (distance(&known.to_lowercase(), &name.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= NEAR)
        .min()
        .map(|(_, known)| known)
}

/// Letters to insert, delete or replace (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (done, letter) in left.chars().enumerate() {
        let mut next = vec![done + 1];
        let mut before = done + 1;
        for ((above_left, above), other) in row.iter().zip(row.iter().skip(1)).zip(&right) {
            before = (above + 1).min(before + 1).min(above_left + usize::from(letter != *other));
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// Bytes; the longest known key has 46.
const LONGEST: usize = 80;
const NEAR: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn finds_wrong_case_first_and_nothing_far_away() {
        assert_eq!(nearest("ResourceDisk.FileSystem"), Some("ResourceDisk.Filesystem"));
        assert_eq!(nearest("OS.EnableFirewal"), Some("OS.EnableFirewall"));
        assert_eq!(nearest("Something.Else.Entirely"), None);
    }
}
