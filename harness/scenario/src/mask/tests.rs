use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

const SECRET: &str = "gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU";

fn masker() -> Masker {
    Masker::new([7; 32])
}

fn knowing(secret: &str) -> Masker {
    let masker = masker();
    masker.add(secret);
    masker
}

/// What stands for `secret`.
fn shown(secret: &str) -> String {
    masker().digest(secret.as_bytes()).to_string()
}

#[test]
fn shows_equal_values_as_equal() {
    let masked = knowing(SECRET).mask(&format!("host {SECRET} member {SECRET}"));
    assert_eq!(masked, format!("host {0} member {0}", shown(SECRET)));
}

#[test]
fn shows_one_value_differently_in_two_runs() {
    let other = Masker::new([8; 32]);
    other.add(SECRET);
    assert_ne!(other.mask(SECRET), knowing(SECRET).mask(SECRET));
}

#[test]
fn keeps_a_short_value_outside_of_its_field() {
    assert_eq!(knowing("abc1234").mask("abc1234"), "abc1234");
}

#[test]
fn shares_secrets_with_clones() {
    let masker = masker();
    masker.clone().add(SECRET);
    assert_eq!(masker.mask(SECRET), shown(SECRET));
}

#[test]
fn finds_a_long_secret_in_base64_of_base64() {
    let secret = SECRET.repeat(30);
    let text = STANDARD.encode(format!("data: {}", STANDARD.encode(format!("token is {secret}!"))));
    assert_eq!(knowing(&secret).mask(&format!("[{text}]")), format!("[{}]", shown(&text)));
}

#[test]
fn leaves_nothing_of_secrets_that_overlap() {
    let both = knowing("abcdefghij");
    both.add("fghijklmnop");
    let masked = both.mask("<abcdefghijklmnop>");
    assert_eq!(masked, format!("<{}>", shown("fghijklmnop")));
}

#[test]
fn hides_every_line_of_an_indented_private_key() {
    let body = ["MHcCAQEEIBLongEnoughLineOne", "SecondLineOfTheKeyBody", "ThirdLine=="];
    let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", body.join("\n"));
    let masked = knowing(&pem).mask(&format!("    {}\n    {}\n    {}\n", body[0], body[1], body[2]));
    for line in body {
        assert!(!masked.contains(line), "{masked}");
    }
}

#[test]
fn never_tells_secrets_to_debug() {
    assert_eq!(format!("{:?}", knowing(SECRET)), "Masker { .. }");
}

#[rstest]
#[case::yaml("jwtSecret: {}", "abc")]
#[case::yaml_in_double_quotes("      jwtSecret: \"{}\"\n", "abc")]
#[case::yaml_in_single_quotes("jwtSecret: '{}'", "abc")]
#[case::json(r#"{"jwtSecret":"{}","x":1}"#, "abc")]
#[case::json_in_json(r#""{\"jwtSecret\":\"{}\",\"x\":1}""#, "abc")]
#[case::yaml_in_json(r#"{"data":"a: 1\n  jwtSecret: {}\n  b: 2\n"}"#, "a-b")]
#[case::json_in_json_in_json(r#"{\\\"token\\\":\\\"{}\\\"}"#, "abc")]
#[case::client_key("    client-key-data: {}\n    x: y", "LS0t")]
#[case::client_certificate("client-certificate-data: {}", "LS0t")]
#[case::token("    token: {}", "abc")]
#[case::described_token("token:      {}", "abc")]
#[case::list_item("- password: {} # admin", "p w")]
#[case::flow_map("{user: a, password: {}, x: y}", "letters")]
#[case::banner("Account: admin\nPassword: {}\nNOTES:", "P@88w0rd")]
#[case::compound_name("mysqlRootPassword: {}", "abc")]
#[case::environment("MYSQL_PASSWORD={} next", "abc")]
#[case::form("grant_type=password&username=admin&password={}&x=y", "P88")]
#[case::escaped_form("a=b%26password%3D{}%26x%3Dy", "P88")]
#[case::flag("kubectl config set-credentials kubesphere --token={} -v", "abc")]
#[case::flag_and_space("kubectl --token {} get nodes", "abc")]
#[case::header("Authorization: Bearer {}\r\nAccept: */*", "abc.def")]
#[case::own_header("X-KubeSphere-Authorization: Bearer {}", "abc")]
#[case::curl(r#"curl -H "Authorization: Bearer {}" https://x"#, "abc")]
#[case::oauth(r#"{"access_token":"{}","token_type":"Bearer","expires_in":7200}"#, "abc")]
#[case::go_struct("{AccessToken: {}}", "abc")]
#[case::jwt("got {} back", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl")]
#[case::cut_quote("token: \"{}", "abc")]
#[case::block("password: |\n  {}\nnext: 1", "a b\n  c")]
#[case::private_key("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\nrest", "MIIE\nabcd==")]
fn hides_what_stands_where_secrets_stand(#[case] template: &str, #[case] secret: &str) {
    let masked = masker().mask(&template.replacen("{}", secret, 1));
    assert_eq!(masked, template.replacen("{}", &shown(secret), 1));
}

#[rstest]
#[case::variables("kubectl config set-credentials kubesphere --token=${TOKEN} --password $PASSWORD")]
#[case::captures("jwtSecret: ${jwtSecret}")]
#[case::commands("TOKEN=$(kubectl get secret x -o jsonpath='{.data.token}' | base64 -d)")]
#[case::documented(
    "kubectl -n kubesphere-system get cm kubesphere-config -o yaml | grep -v \"apiVersion\" | grep jwtSecret"
)]
#[case::nothing("jwtSecret: \"\"\ntoken:\npassword: null\n")]
#[case::maps("token:\n  name: x\n")]
#[case::names("secretName: kubesphere-secret\nautomountServiceAccountToken: false\ntokenExpiry: 3600\n")]
#[case::prose("token not found in cache; the password must be changed")]
#[case::sentence("jwt: failed to parse token: signature is invalid")]
#[case::comparison("when: authentication.jwtSecret == \"\" or x")]
#[case::placeholders("jwtSecret: <secret>\ntoken: <none>\n")]
#[case::masked_already("jwtSecret: \"sha256:0123abcd\"")]
#[case::certificate("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")]
#[case::paths("/var/lib/kubelet/pods/0123456789abcdef/volumes/kubernetes.io~secret")]
#[case::ordinary_base64("ca: VGhpcyBpcyBhIHRleHQgd2l0aG91dCBhbnkgc2VjcmV0IGluIGl0Lg==")]
fn keeps_what_is_no_secret(#[case] text: &str) {
    assert_eq!(masker().mask(text), text);
}

#[test]
fn hides_fields_inside_base64() {
    let kubeconfig = STANDARD.encode("users:\n- name: admin\n  user:\n    client-key-data: c2VjcmV0\n");
    let masked = masker().mask(&format!("before {kubeconfig} after"));
    assert_eq!(masked, format!("before {} after", shown(&kubeconfig)));
}

#[test]
fn looks_into_base64_of_base64_of_base64() {
    let mut text = format!("name: x, value: {SECRET}, more");
    for _ in 0..3 {
        text = STANDARD.encode(text);
    }
    let masked = knowing(SECRET).mask(&text);
    assert_eq!(masked, shown(&text));
}

/// The first `width` characters to a line, and so on.
fn wrapped(text: &str, width: usize, line_end: &str) -> String {
    let lines: Vec<&str> = text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join(line_end)
}

const KUBECONFIG: &str = concat!(
    "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.0.0.1:6443\n  name: host\nusers:\n- name: admin\n",
    "  user:\n    client-key-data: VGhpcyBpcyBub3QgcmVhbGx5IGEga2V5LCBidXQgaXQgaXMgbG9uZw==\n",
);

#[rstest]
#[case::base64(76, "\n")]
#[case::pem(64, "\n")]
#[case::yaml(64, "\n      ")]
#[case::windows(76, "\r\n")]
#[case::yaml_in_quotes(72, "\\\n  ")]
#[case::json(76, "\\n")]
#[case::narrow(7, "\n\t")]
fn hides_fields_inside_wrapped_base64(#[case] width: usize, #[case] line_end: &str) {
    let kubeconfig = STANDARD.encode(KUBECONFIG);
    let masked = masker().mask(&format!("<{}> after\n", wrapped(&kubeconfig, width, line_end)));
    assert_eq!(masked, format!("<{}> after\n", shown(&kubeconfig)));
}

#[rstest]
#[case::two_letters("ok")]
#[case::word("kubeconfig")]
#[case::words("this is the kubeconfig")]
#[case::other_base64("ca:\n  VGhpcyBpcyBhIHRleHQgd2l0aG91dCBhbnkgc2VjcmV0")]
fn hides_wrapped_base64_below_another_line(#[case] above: &str) {
    let kubeconfig = STANDARD.encode(KUBECONFIG);
    let masked = masker().mask(&format!("{above}\n{}\nafter", wrapped(&kubeconfig, 76, "\n")));
    for line in kubeconfig.as_bytes().chunks(76) {
        assert!(!masked.contains(std::str::from_utf8(line).unwrap()), "{masked}");
    }
    assert!(masked.ends_with("after"), "{masked}");
}

#[test]
fn looks_into_wrapped_base64_of_wrapped_base64() {
    let mut text = KUBECONFIG.to_owned();
    for _ in 0..3 {
        text = wrapped(&STANDARD.encode(text), 76, "\n") + "\n";
    }
    let masked = masker().mask(&text);
    assert_eq!(masked, shown(&text.replace('\n', "")) + "\n");
}

#[rstest]
#[case::one_word_a_line("clusters\nnamespaces\nworkspaces\nconfigurations\ninstallations\n")]
#[case::sentences("The installer waits until\nevery component is available\nand then prints the banner")]
#[case::certificate("VGhpcyBpcyBhIHRleHQgd2l0aG91dCBh\nbnkgc2VjcmV0IGluIGl0IGF0IGFsbC4=\n")]
#[case::names("secret/kubesphere-secret\nsecret/kubesphere-sa-token-x2kpz\nconfigmap/kubesphere-config\n")]
fn keeps_lines_that_decode_to_no_secret(#[case] text: &str) {
    assert_eq!(knowing(SECRET).mask(text), text);
}

#[test]
fn keeps_the_line_end_after_a_secret() {
    assert_eq!(knowing(SECRET).mask(&format!("a\n  {SECRET}\n  b\n")), format!("a\n  {}\n  b\n", shown(SECRET)));
}

/// Whatever of `text` decodes when lines are joined, wherever groups begin.
fn recovered(text: &str) -> Vec<u8> {
    let joined: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mut recovered = joined.clone();
    for run in joined.split(|byte| !(byte.is_ascii_alphanumeric() || b"+/".contains(byte))) {
        for shift in 0..4_usize.min(run.len()) {
            let groups = &run[shift..];
            recovered.push(b' ');
            for group in groups.chunks(4) {
                recovered.extend(STANDARD_NO_PAD.decode(group).unwrap_or_default());
            }
        }
    }
    recovered
}

#[test]
fn masks_twice_as_once() {
    let masker = knowing(SECRET);
    let once = masker.mask(&format!("jwtSecret: {SECRET}\npassword: short\nAuthorization: Bearer abc"));
    assert_eq!(masker.mask(&once), once);
}

/// The characters of an encoded text that depend on nothing but the bytes `from..to`.
fn core(encoded: &str, from: usize, to: usize) -> &str {
    &encoded[(from * 8).div_ceil(6)..to * 8 / 6]
}

fn percent_all(text: &str) -> String {
    let encoded: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    encoded.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_encoding_of_a_secret_survives(secret in "[!-~]{8,40}", before in "[ -~]{0,9}", after in "[ -~]{0,9}") {
        let masker = knowing(&secret);
        let around = format!("{before}{secret}{after}");
        let json = serde_json::to_string(&secret).unwrap();
        let json_inside = json[1..json.len() - 1].to_owned();
        let twice = serde_json::to_string(&json).unwrap();
        let mut texts = vec![
            (around.clone(), secret.clone()),
            (json, json_inside.clone()),
            (twice.clone(), twice[3..twice.len() - 3].to_owned()),
            (percent_all(&secret), percent_all(&secret)),
        ];
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let once = engine.encode(&around);
            let once_core = core(&once, before.len(), before.len() + secret.len()).to_owned();
            let again = engine.encode(&once);
            let first = (before.len() * 8).div_ceil(6);
            let again_core = core(&again, first, first + once_core.len()).to_owned();
            let percent = percent_all(&once_core);
            texts.extend([(once, once_core.clone()), (again, again_core), (percent.clone(), percent)]);
            let of_json = engine.encode(format!("{before}{json_inside}{after}"));
            let json_core = core(&of_json, before.len(), before.len() + json_inside.len()).to_owned();
            texts.push((of_json, json_core));
        }
        for (text, core) in texts {
            let masked = masker.mask(&text);
            prop_assert!(!masked.contains(&core), "{core} of {secret} is in {masked}");
            prop_assert!(masked.contains("sha256:"), "{masked}");
        }
    }

    #[test]
    fn no_wrapping_of_base64_keeps_a_secret(
        secret in "[!-~]{8,48}",
        width in 1_usize..=80,
        offset in 0_usize..=80,
        after in 0_usize..=80,
        line_end in prop::sample::select(vec!["\n", "\r\n", "\n  ", "\n\t"]),
        above in "([A-Za-z]{1,9}\n){0,2}",
    ) {
        let text = format!("{}{secret}{}", ". ".repeat(40).split_at(offset).0, " .".repeat(40).split_at(after).0);
        let masked = knowing(&secret).mask(&format!("{above}{}\n", wrapped(&STANDARD.encode(&text), width, line_end)));
        let recovered = recovered(&masked);
        for piece in secret.as_bytes().windows(8) {
            prop_assert!(!recovered.windows(8).any(|window| window == piece), "{} keeps some of {}", masked, secret);
        }
    }

    #[test]
    fn the_text_around_a_secret_survives(secret in "[A-Za-z0-9+/]{8,40}", before in "[a-z ,.{}\n]{0,40}", after in "[a-z ,.{}\n]{0,40}") {
        prop_assume!(!before.contains("key") && !before.contains("secret") && !before.contains("token"));
        let masked = knowing(&secret).mask(&format!("{before}<{secret}>{after}"));
        prop_assert_eq!(masked, format!("{before}<{}>{after}", shown(&secret)));
    }

    #[test]
    fn no_text_around_a_secret_keeps_it(
        before in "(\\PC|[\\\\\"'%u:=|>\n]|password|token: |eyJ){0,30}",
        secret in "[^\\s]{8,12}",
        after in "(\\PC|[\\\\\"'%u:=|>\n]|password|token: |eyJ){0,30}",
    ) {
        let masked = knowing(&secret).mask(&format!("{before}{secret}{after}"));
        prop_assert!(!masked.contains(&secret), "{}", masked);
    }
}
