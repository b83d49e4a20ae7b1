//! What no cell may fail for.

use engine::Deviation as D;
use engine::DeviationKind;
use libtest_mimic::{Failed, Trial};

use super::{run, scenario, trial};

/// Variations that go together, and cells that they concern.
const GROUPS: [(&[D], &[&str]); 3] = [
    (
        &[
            D::FirstJoinAccountRace,
            D::SecretUnquoted,
            D::SecretOfOtherForm,
            D::ConfigReordered,
            D::ConfigWithUnknownKeys,
            D::InstallerTalkative,
            D::ReloadSlow,
            D::ClusterDecorated,
            D::ConditionsReordered,
            D::TokenWithMoreClaims,
            D::WebhookKeyStronger,
            D::NodeMore,
        ],
        &[
            "import/direct-connection.yaml",
            "after-import/kubeconfig-patch-refused.yaml",
            "after-import/update-kubeconfig.yaml",
            "host/host-pre-install-k8s-name.yaml",
            "member/member-pre-install-linux.yaml",
            "jwt-secret/jwt-get.yaml",
        ],
    ),
    (
        &[D::InstallerSlow, D::ControllerRestarts, D::HostClusterLate, D::ResyncLong],
        &[
            "import/direct-connection.yaml",
            "host/host-post-install-name-kubectl.yaml",
            "host/host-only-one.yaml",
            "member/member-all-in-one.yaml",
        ],
    ),
    (&[D::FirstJoinTokenRace], &["import/import-form.yaml"]),
];

/// Looks for the variations themselves: one that does nothing would prove nothing.
const VARIED: &str = r#"
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata: {name: varied}
spec:
  given:
    host: {kubesphere: installed, clusterRole: host}
    member: {kubesphere: installed, clusterRole: member, jwtSecret: host}
  steps:
    - name: the last section comes first
      on: member
      run: kubectl -n kubesphere-system get cm kubesphere-config -o jsonpath='{.data.kubesphere\.yaml}' | head -n 1
      expect: {stdout: "gateway:"}
    - name: there is a section that nobody knows
      on: member
      run: kubectl -n kubesphere-system get cm kubesphere-config -o jsonpath='{.data.kubesphere\.yaml}' | grep sustainability
    - name: the secret has another form, without quotes
      on: member
      run: kubectl -n kubesphere-system get cm kubesphere-config -o yaml | grep -E 'jwtSecret. [A-Za-z0-9]{23}-[A-Za-z0-9]{23}_$'
    - name: the installer has ignored a failure
      on: member
      run: kubectl -n kubesphere-system logs deployment/ks-installer | grep ignored=1
    - name: ks-controller-manager was started again
      on: host
      run: kubectl -n kubesphere-system get pods -l app=ks-controller-manager -w -o jsonpath='{.status.containerStatuses[0].restartCount}{"\n"}'
      until: {output: "1", within: 3m}
    - name: there is a node more
      on: member
      run: kubectl get nodes -o name
      expect: {stdout: member-node2}
    - name: the host's Cluster has a label more
      on: host
      run: kubectl get clusters.cluster.kubesphere.io host --show-labels
      expect: {stdout: topology.kubernetes.io/zone=zone-a}
    - name: its conditions come in another order
      on: host
      run: kubectl get clusters.cluster.kubesphere.io host -o jsonpath='{.status.conditions[*].type}'
      expect: {stdout: Ready Federated Initialized}
  checks: []
"#;

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("every variation is tried".to_owned(), every_variation_is_tried),
        trial("variations vary".to_owned(), variations_vary),
    ];
    for (number, (variations, files)) in (1..).zip(GROUPS) {
        trials.extend(files.iter().map(|file| {
            let name = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".yaml");
            let test = move || run(&scenario(file), "3.4.1", variations).is("passed");
            trial(format!("variations {number} leave {name}"), test)
        }));
    }
    trials
}

fn every_variation_is_tried() -> Result<(), Failed> {
    let variations = D::ALL.iter().filter(|deviation| deviation.kind() == DeviationKind::Benign);
    let tried = |variation: &D| GROUPS.iter().any(|(group, _)| group.contains(variation));
    let untried: Vec<_> = variations.filter(|variation| !tried(variation)).map(|variation| variation.id()).collect();
    let defects = GROUPS.iter().flat_map(|(group, _)| *group).any(|one| one.kind() == DeviationKind::Defect);
    if untried.is_empty() && !defects { Ok(()) } else { Err(format!("no cell is tried with {untried:?}").into()) }
}

fn variations_vary() -> Result<(), Failed> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("varied.yaml");
    std::fs::write(&path, VARIED).unwrap();
    let variations: Vec<_> = GROUPS[0].0.iter().copied().chain([D::ControllerRestarts]).collect();
    run(&path, "3.4.1", &variations).is("passed")
}
