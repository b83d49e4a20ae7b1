//! Event objects, as `kubectl describe` and `kubectl get events` show them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::PostParams;

use crate::cache::{Key, Kind};
use crate::cluster::Cluster;

/// Whether an event is good or bad news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Normal,
    Warning,
}

/// What happened to an object.
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

/// Records `news` about `object` without waiting for it; nobody depends on events.
pub(crate) fn record<K: Kind>(
    cluster: &Arc<Cluster>,
    component: &'static str,
    host: Option<&str>,
    object: &K,
    news: News,
) {
    let Key { namespace, name } = Key::of(object);
    let now = Time(cluster.clock.wall());
    let nanoseconds = now.0.as_nanosecond();
    let mut event = Event {
        involved_object: ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: Some(name.clone()),
            namespace: Some(namespace.clone()),
            uid: object.meta().uid.clone(),
            resource_version: object.meta().resource_version.clone(),
            field_path: None,
        },
        reason: Some(news.reason.to_owned()),
        message: Some(news.message),
        type_: Some(match news.tone {
            Tone::Normal => "Normal".to_owned(),
            Tone::Warning => "Warning".to_owned(),
        }),
        source: Some(EventSource { component: Some(component.to_owned()), host: host.map(str::to_owned) }),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    };
    // The hexadecimal time keeps names apart (client-go, `tools/record/event.go`); the suffix does so within one tick.
    event.metadata.name = Some(format!("{name}.{nanoseconds:x}{}", crate::names::random_suffix()));
    event.metadata.namespace = Some(namespace.clone());
    let home = cluster.clone();
    cluster.spawn(async move {
        let _busy = home.clock.busy();
        let _nobody_depends_on_it = home.api::<Event>(&namespace).create(&PostParams::default(), &event).await;
    });
}
