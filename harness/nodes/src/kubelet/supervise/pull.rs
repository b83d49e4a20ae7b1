//! Gets a container's image, or says again and again why not (kubernetes v1.20, `pkg/kubelet/images`).

use std::time::{Duration, Instant};

use super::Supervision;
use crate::clock::{BusyGuard, Delay};
use crate::events::News;
use crate::kubelet::images::{Policy, flaw, not_found};
use crate::program::Program;

/// How long a kubelet waits before it tries to pull again: 10 s, doubled each time up to five minutes
/// (kubernetes v1.20, `pkg/kubelet/kubelet.go`).
const IMAGE_BACKOFF: Delay = Delay::new("image-backoff", Duration::from_secs(10));

const LONGEST: Duration = Duration::from_mins(5);

/// Why there is no image, as a container's state has it, and whether pulling was tried.
struct Refusal {
    reason: &'static str,
    message: String,
    pulled: bool,
}

impl Supervision {
    /// The program in the container's image; none when the container is told to stop before there is one.
    pub(super) async fn pull(&self, busy: &mut Option<BusyGuard>) -> Option<Program> {
        let clock = &self.kubelet.cluster.clock;
        let mut tries = 0_u32;
        loop {
            let refusal = match self.try_pull() {
                Ok(program) => return Some(program),
                Err(refusal) => refusal,
            };
            self.refuse(refusal.reason, &refusal.message).await;
            if refusal.pulled {
                // A kubelet tries again at its next look at the pod, and finds that it has to wait.
                let image = self.spec.image.as_deref().unwrap_or_default();
                let message = format!("Back-off pulling image \"{image}\"");
                self.tell(News::normal("BackOff", message.clone()));
                self.refuse("ImagePullBackOff", &message).await;
            }
            let duration = IMAGE_BACKOFF.duration * 2_u32.pow(tries.min(5));
            tries += 1;
            busy.take();
            let wait = clock.sleep(IMAGE_BACKOFF.lasting(duration.min(LONGEST)));
            self.stop.run_until_cancelled(wait).await?;
            *busy = clock.busy();
        }
    }

    fn try_pull(&self) -> Result<Program, Refusal> {
        let image = self.spec.image.as_deref().unwrap_or_default();
        if let Some(flaw) = flaw(image) {
            let message = format!(
                "Failed to apply default image tag {image:?}: couldn't parse image reference {image:?}: {flaw}"
            );
            self.tell(News::warning("InspectFailed", message.clone()));
            return Err(Refusal { reason: "InvalidImageName", message, pulled: false });
        }
        let (node, pulled) = (&self.shared.node, &self.kubelet.pulled);
        let present = pulled.has(node, image);
        let begun = Instant::now();
        let program = self.kubelet.programs.find(image);
        match (Policy::of(self.spec.image_pull_policy.as_deref()), program) {
            (Policy::Never | Policy::IfNotPresent, Some(program)) if present => {
                let message = format!("Container image {image:?} already present on machine");
                self.tell(News::normal("Pulled", message));
                Ok(program)
            }
            (Policy::Never, _) => {
                let message = format!("Container image {image:?} is not present with pull policy of Never");
                self.tell(News::warning("ErrImageNeverPull", message.clone()));
                Err(Refusal { reason: "ErrImageNeverPull", message, pulled: false })
            }
            (_, program) => {
                self.tell(News::normal("Pulling", format!("Pulling image {image:?}")));
                let Some(program) = program else {
                    let message = not_found(image);
                    self.tell(News::warning("Failed", format!("Failed to pull image {image:?}: {message}")));
                    return Err(Refusal { reason: "ErrImagePull", message, pulled: true });
                };
                pulled.add(node, image);
                let message = format!("Successfully pulled image {image:?} in {:?}", begun.elapsed());
                self.tell(News::normal("Pulled", message));
                Ok(program)
            }
        }
    }

    /// Shows why the container waits, and waits until the pod's status says so: others may look for this very state.
    async fn refuse(&self, reason: &'static str, message: &str) {
        self.tell(News::warning("Failed", format!("Error: {reason}")));
        self.container.waits(reason, Some(message.to_owned()));
        let _stopped = self.stop.run_until_cancelled(self.shared.shown()).await;
    }
}
