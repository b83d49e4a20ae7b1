//! Text that many reports share: seconds, results, tails of output, plain text without terminal escapes.

use scenario::event::Outcome;

/// Lines of a step's output that a failure shows.
pub const TAIL_LINES: usize = 40;

/// `0.42s`, `75.00s`.
pub fn seconds(milliseconds: u64) -> String {
    format!("{}.{:02}s", milliseconds / 1000, milliseconds % 1000 / 10)
}

/// The word of a result in a table.
pub fn result(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::KnownIssue => "known issue",
        Outcome::Skipped => "skipped",
    }
}

/// The last [`TAIL_LINES`] lines, with a line that says how many stand before them.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let hidden = lines.len().saturating_sub(TAIL_LINES);
    let shown = lines[hidden..].join("\n");
    if hidden == 0 { shown } else { format!("… {hidden} earlier lines\n{shown}") }
}

/// Without terminal escapes (kubectl 1.20 colours `cluster-info` even into a pipe) and other control characters, so that
/// a step's output can neither repaint the terminal nor break a file format. Tabs and line ends stay.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            // A carriage return before a line end belongs to it; alone it would write over the line.
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => plain.push('\n'),
            '\n' | '\t' => plain.push(character),
            // XML 1.0 forbids the two non-characters like most control characters.
            forbidden if forbidden.is_control() || matches!(forbidden, '\u{fffe}' | '\u{ffff}') => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Skips what follows ESC (ECMA-48: CSI up to its final byte, OSC and other strings up to BEL or ST, else one character).
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => while characters.next().is_some_and(|character| !('\u{40}'..='\u{7e}').contains(&character)) {},
        Some(']' | 'P' | '^' | '_' | 'X') => {
            while let Some(character) = characters.next() {
                match character {
                    '\u{7}' => break,
                    '\u{1b}' => {
                        characters.next_if_eq(&'\\');
                        break;
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0.00s")]
    #[case(425, "0.42s")]
    #[case(1_009, "1.00s")]
    #[case(75_000, "75.00s")]
    fn writes_seconds(#[case] milliseconds: u64, #[case] text: &str) {
        assert_eq!(seconds(milliseconds), text);
    }

    #[rstest]
    #[case::colour("\u{1b}[0;32mKubernetes\u{1b}[0m is up", "Kubernetes is up")]
    #[case::title("\u{1b}]0;title\u{7}text", "text")]
    #[case::link("\u{1b}]8;;http://x\u{1b}\\text", "text")]
    #[case::line_ends("a\r\nb\rc\td", "a\nb\nc\td")]
    #[case::controls("a\u{0}b\u{8}c\u{9b}d\u{fffe}", "abcd")]
    #[case::escape_at_the_end("a\u{1b}", "a")]
    fn strips_terminal_escapes(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(plain(text), expected);
    }

    #[test]
    fn keeps_the_last_lines() {
        let lines: Vec<String> = (1..=42).map(|line| format!("line {line}\n")).collect();
        let tail = tail(&lines.concat());
        assert!(tail.starts_with("… 2 earlier lines\nline 3\n"));
        assert!(tail.ends_with("\nline 42"));
    }

    #[test]
    fn keeps_a_short_text_whole() {
        assert_eq!(tail("a\nb\n"), "a\nb");
    }
}
