//! The one way for anything to become visible: events, masked, in order.

use std::sync::{Arc, Mutex, PoisonError};

use scenario::event::Event;
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
        let Ok(mut value) = serde_json::to_value(event) else { return event.clone() };
        mask_strings(&mut value, &self.0.masker);
        serde_json::from_value(value).unwrap_or_else(|_| event.clone())
    }
}

fn mask_strings(value: &mut serde_json::Value, masker: &Masker) {
    match value {
        serde_json::Value::String(text) => *text = masker.mask(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| mask_strings(item, masker)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|field| mask_strings(field, masker)),
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
}
