//! Event objects, as `kubectl describe` and `kubectl get events` show them.

mod correlation;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

pub(crate) use self::correlation::Correlator;
use self::correlation::Posted;
use crate::cache::{Key, Kind};
use crate::cluster::{Cluster, code_of};

/// Whether an event is good or bad news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Normal,
    Warning,
}

impl Tone {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) tone: Tone,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl News {
    pub(crate) fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { tone: Tone::Normal, reason, message: message.into() }
    }

    pub(crate) fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { tone: Tone::Warning, reason, message: message.into() }
    }
}

/// Who tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) component: &'static str,
    /// The node, where it is a kubelet.
    pub(crate) host: Option<&'a str>,
}

/// Records `news` about `object` without waiting for it; nobody depends on events.
pub(crate) fn record<K: Kind>(
    cluster: &Arc<Cluster>,
    component: &'static str,
    host: Option<&str>,
    object: &K,
    news: News,
) {
    record_about(cluster, Source { component, host }, reference(object), news);
}

/// A reference to `object`, as events have it.
pub(crate) fn reference<K: Kind>(object: &K) -> ObjectReference {
    let Key { namespace, name } = Key::of(object);
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name: Some(name),
        namespace: Some(namespace).filter(|namespace| !namespace.is_empty()),
        uid: object.meta().uid.clone(),
        resource_version: object.meta().resource_version.clone(),
        field_path: None,
    }
}

/// Records `news` about what `involved` refers to. The same news again counts up the event that is there (client-go
/// v0.20, `tools/record/events_cache.go`).
pub(crate) fn record_about(cluster: &Arc<Cluster>, source: Source<'_>, involved: ObjectReference, news: News) {
    let host = source.host.unwrap_or_default();
    let whose = format!("{}/{host}/{}", source.component, correlation::key_of(&involved));
    let clock = &cluster.clock;
    if !cluster.events.may(&whose, clock.now()) {
        return;
    }
    let path = involved.field_path.as_deref().unwrap_or_default();
    let what = format!("{whose}/{path}/{}/{}/{}", news.tone.name(), news.reason, news.message);
    let now = Time(clock.wall());
    let namespace = involved.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let mut event = Event {
        reason: Some(news.reason.to_owned()),
        message: Some(news.message),
        type_: Some(news.tone.name().to_owned()),
        source: Some(EventSource {
            component: Some(source.component.to_owned()),
            host: source.host.map(str::to_owned),
        }),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    };
    event.metadata.name = Some(cluster.events.name(&involved, clock.wall()));
    event.metadata.namespace = Some(namespace);
    event.involved_object = involved;
    let (home, posted) = (cluster.clone(), cluster.events.posted(&what));
    cluster.spawn(async move {
        let _busy = home.clock.busy();
        // Of the same news one after the other, or a count would be lost.
        let mut posted = posted.lock().await;
        post(&home, &mut posted, event).await;
    });
}

/// Creates the event, or counts up the one that says the same already.
async fn post(cluster: &Cluster, posted: &mut Option<Posted>, event: Event) {
    let component = event.source.as_ref().and_then(|source| source.component.as_deref()).unwrap_or_default();
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let api = Api::<Event>::namespaced(cluster.client_of(component).clone(), namespace);
    let mut event = event;
    if let Some(Posted { name, count }) = posted {
        *count += 1;
        let patch = json!({ "count": count, "lastTimestamp": event.last_timestamp });
        match api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            // It has expired or was deleted: a new one goes on counting.
            Err(error) if code_of(&error) == 404 => event.count = Some(*count),
            _ => return,
        }
    }
    if api.create(&PostParams::default(), &event).await.is_ok() {
        let name = event.metadata.name.unwrap_or_default();
        *posted = Some(Posted { name, count: event.count.unwrap_or(1) });
    }
}

/// Records `news` about `object` in the way of kube-scheduler, which uses the events of `events.k8s.io`: those have the
/// time of one occurrence, an action, and no count (kubernetes v1.20, `client-go/tools/events`).
pub(crate) fn record_action<K: Kind>(
    cluster: &Arc<Cluster>,
    controller: &'static str,
    action: &'static str,
    object: &K,
    news: News,
) {
    let involved = reference(object);
    let namespace = involved.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let now = cluster.clock.wall();
    let mut event = Event {
        reason: Some(news.reason.to_owned()),
        message: Some(news.message),
        type_: Some(news.tone.name().to_owned()),
        event_time: Some(MicroTime(now)),
        action: Some(action.to_owned()),
        reporting_component: Some(controller.to_owned()),
        reporting_instance: Some(format!("{controller}-control-plane")),
        ..Event::default()
    };
    event.metadata.name = Some(cluster.events.name(&involved, now));
    event.metadata.namespace = Some(namespace.clone());
    event.involved_object = involved;
    let home = cluster.clone();
    cluster.spawn(async move {
        let _busy = home.clock.busy();
        let api = Api::<Event>::namespaced(home.client_of(controller).clone(), &namespace);
        let _nobody_depends_on_it = api.create(&PostParams::default(), &event).await;
    });
}
