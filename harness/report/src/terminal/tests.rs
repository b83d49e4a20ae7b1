use super::*;
use crate::fixture;

const PLAIN: TerminalOptions = TerminalOptions { colour: false, live: false, width: Some(100) };

fn shown(options: TerminalOptions, events: &[Event]) -> String {
    let mut terminal = Terminal::new(options, Vec::new());
    for event in events {
        terminal.on_event(event).unwrap();
    }
    String::from_utf8(terminal.into_inner()).unwrap()
}

#[test]
fn shows_a_run_in_plain_lines() {
    insta::assert_snapshot!(shown(PLAIN, &fixture::events()));
}

#[test]
fn colours_only_when_asked_to() {
    assert!(!shown(PLAIN, &fixture::events()).contains('\u{1b}'));
    let coloured = shown(TerminalOptions { colour: true, ..PLAIN }, &fixture::events());
    assert!(coloured.contains("\u{1b}[31;1mFAIL \u{1b}[0m"), "{coloured:?}");
}

#[test]
fn prints_no_line_for_a_cell_that_passes_while_progress_is_drawn() {
    let events = fixture::events();
    let text = shown(TerminalOptions { live: true, ..PLAIN }, &events[..events.len() - 1]);
    assert!(!text.contains("PASS") && text.contains("FAIL"), "{text}");
}

#[test]
fn shows_an_interrupted_run() {
    let mut events = fixture::events();
    events.truncate(9);
    events.push(Event::RunFinished {
        duration_ms: 700,
        kubectl: scenario::event::ProcessUsage::default(),
        interrupted: true,
    });
    insta::assert_snapshot!(shown(PLAIN, &events));
}

#[test]
fn keeps_the_end_of_a_long_output() {
    let mut events = fixture::events();
    for event in &mut events {
        if let Event::StepFinished { step, .. } = event {
            let lines: Vec<String> = (1..=100).map(|line| format!("line {line}\n")).collect();
            step.stdout = Some(lines.concat());
        }
    }
    let text = shown(PLAIN, &events);
    assert!(
        text.contains("… 60 earlier lines\n") && text.contains(" line 61\n") && !text.contains(" line 60\n"),
        "{text}"
    );
}

#[test]
fn tells_when_the_output_is_closed() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut terminal = Terminal::new(PLAIN, Closed);
    let failures = fixture::events().iter().filter(|event| terminal.on_event(event).is_err()).count();
    // Five cells and the end.
    assert_eq!(failures, 6);
}
