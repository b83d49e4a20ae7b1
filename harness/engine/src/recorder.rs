//! The one way for anything to become visible: events, masked, in order.

use std::sync::{Arc, Mutex, PoisonError};

use scenario::event::{Event, ProcessUsage};
use scenario::mask::Masker;

/// Receives every event of a run, in order.
pub type Observer = Box<dyn FnMut(&Event) + Send>;

/// Records a run's events. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    masker: Masker,
    state: Mutex<State>,
}

struct State {
    events: Vec<Event>,
    observer: Observer,
}

impl Recorder {
    /// Masks with `masker` and tells `observer` of each event at once.
    #[must_use]
    pub fn new(masker: Masker, observer: Observer) -> Self {
        Self(Arc::new(Inner { masker, state: Mutex::new(State { events: Vec::new(), observer }) }))
    }

    /// The run's masker, to teach it secrets.
    #[must_use]
    pub fn masker(&self) -> &Masker {
        &self.0.masker
    }

    /// Records `event` with every text in it masked.
    pub fn record(&self, event: &Event) {
        let event = self.masked(event);
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.observer)(&event);
        state.events.push(event);
    }

    /// The events so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).events.clone()
    }

    /// Masking every string of the serialized event leaves no field out, now or when events grow.
    fn masked(&self, event: &Event) -> Event {
        changed(event, &|text| self.0.masker.mask(text))
            .or_else(|| changed(event, &|_| "withheld: it could not be masked".to_owned()))
            .unwrap_or(Event::RunFinished { duration_ms: 0, kubectl: ProcessUsage::default(), interrupted: true })
    }
}

/// Fields whose values are words of ours, not texts.
const WORDS: [&str; 6] = ["type", "result", "on", "basis", "cell", "id"];

fn changed(event: &Event, change: &dyn Fn(&str) -> String) -> Option<Event> {
    let mut value = serde_json::to_value(event).ok()?;
    change_strings(&mut value, change);
    serde_json::from_value(value).ok()
}

fn change_strings(value: &mut serde_json::Value, change: &dyn Fn(&str) -> String) {
    match value {
        serde_json::Value::String(text) => *text = change(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| change_strings(item, change)),
        serde_json::Value::Object(fields) => fields
            .iter_mut()
            .filter(|(name, _)| !WORDS.contains(&name.as_str()))
            .for_each(|(_, field)| change_strings(field, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use scenario::event::CellId;

    use super::*;

    #[test]
    fn masks_before_anybody_sees_the_event() {
        let masker = Masker::new([7; 32]);
        masker.add("gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU");
        let seen = Arc::new(Mutex::new(String::new()));
        let recorder = Recorder::new(masker, {
            let seen = seen.clone();
            Box::new(move |event| *seen.lock().unwrap() = format!("{event:?}"))
        });
        recorder.record(&Event::CellFinished {
            cell: CellId("a@3.3.2".to_owned()),
            result: scenario::event::Outcome::Failed,
            reason: Some("the secret is gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU".to_owned()),
            evidence: Vec::new(),
            duration_ms: 1,
        });
        let seen = seen.lock().unwrap().clone();
        assert!(seen.contains("sha256:"), "{seen}");
        assert!(!seen.contains("gfIwilcc"), "{seen}");
    }

    #[test]
    fn keeps_words_of_ours_that_happen_to_be_a_secret() {
        let masker = Masker::new([7; 32]);
        masker.add("cell-started");
        let recorder = Recorder::new(masker, Box::new(|_| {}));
        let event = Event::CellStarted { cell: CellId("a@3.3.2".to_owned()) };
        recorder.record(&event);
        assert_eq!(recorder.events(), [event]);
    }
}
