//! What becomes of `authentication.jwtSecret`, row by row: a first run and a later one, on every release.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rstest::rstest;

use super::*;

const RELEASES: [&str; 4] = ["3.2.1", "3.3.2", "3.4.0", "3.4.1"];

/// What a run leaves in the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    /// Thirty-two random letters and digits.
    Random,
    /// What was there before.
    Kept,
    /// This text.
    Is(&'static str),
    /// No Secret any more.
    Gone,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    WithBanner,
    /// In the play `ks-core`, with this in its last words.
    Failing(&'static str),
}

use Ends::{Failing, WithBanner};
use Secret::{Gone, Is, Kept, Random};

const NO_KEY: &str = "has no attribute 'jwtSecret'";
const MORE_WORDS: &str = "error: exactly one NAME is required, got 2";

impl Installation {
    /// Writes the section `authentication`, or takes it out, and waits for the end of the run that this starts.
    async fn authenticate(&self, section: Option<&Value>, ends: Ends) {
        let text = match ends {
            WithBanner => BANNER,
            Failing(text) => text,
        };
        let count = self.lines().iter().filter(|line| line.contains(text)).count() + 1;
        match section {
            Some(section) => self.apply(json!({"authentication": section}), text, count).await,
            None => self.remove("/authentication", text, count).await,
        }
        if ends != WithBanner {
            let failed = self.lines().iter().filter(|line| line.contains("failed=1 ")).count().max(1);
            self.sees("failed=1 ", failed).await;
        }
    }

    fn holds(&self, secret: Secret, before: Option<&str>) {
        let found = self.secret();
        match secret {
            Random => {
                let found = found.unwrap();
                assert!(found.len() == 32 && found.chars().all(|c| c.is_ascii_alphanumeric()), "{found}");
                assert_ne!(Some(found.as_str()), before);
            }
            Kept => assert_eq!(found.as_deref(), before),
            Is(text) => assert_eq!(found.as_deref(), Some(text)),
            Gone => assert_eq!(found, None),
        }
    }
}

#[rstest]
#[case::empty(Some(json!({"jwtSecret": ""})), WithBanner, Random)]
#[case::text(Some(json!({"jwtSecret": "X"})), WithBanner, Is("X"))]
#[case::no_authentication(None, WithBanner, Random)]
#[case::no_key(Some(json!({})), Failing(NO_KEY), Gone)]
#[case::null_authentication(Some(Value::Null), Failing("'None' has no attribute 'jwtSecret'"), Gone)]
#[case::null(Some(json!({"jwtSecret": null})), WithBanner, Is(""))]
#[case::digits(Some(json!({"jwtSecret": 12_345_678})), WithBanner, Is("12345678"))]
#[case::more_digits_than_an_integer_has(Some(json!({"jwtSecret": 1.234_567_890_123_457e31})), WithBanner, Is("1.234567890123457e+31"))]
#[case::backslash(Some(json!({"jwtSecret": "a\\b"})), WithBanner, Is("ab"))]
#[case::quotes(Some(json!({"jwtSecret": "a\"b\"c"})), WithBanner, Is("abc"))]
#[case::one_quote(Some(json!({"jwtSecret": "a\"b"})), Failing("Unterminated quoted string"), Gone)]
#[case::blank(Some(json!({"jwtSecret": "a b"})), Failing(MORE_WORDS), Gone)]
#[case::variable(Some(json!({"jwtSecret": "a$b"})), WithBanner, Is("a"))]
#[case::semicolon(Some(json!({"jwtSecret": "a;b"})), Failing("/bin/sh: "), Gone)]
#[tokio::test]
async fn first_run(#[case] given: Option<Value>, #[case] ends: Ends, #[case] secret: Secret) {
    for version in RELEASES {
        let installation = Installation::of(version, &Fake::new(), Behaviour::default());
        installation.authenticate(given.as_ref(), ends).await;
        installation.holds(secret, None);
        assert_eq!(installation.fake.get(CONFIG_MAP).is_some(), ends == WithBanner, "{version}");
    }
}

#[rstest]
#[case::empty_again(Some(json!({"jwtSecret": ""})), WithBanner, Kept)]
#[case::text(Some(json!({"jwtSecret": "X"})), WithBanner, Is("X"))]
#[case::no_authentication(None, WithBanner, Kept)]
#[case::no_key(Some(json!({})), Failing(NO_KEY), Kept)]
#[case::null_authentication(Some(Value::Null), Failing("'None' has no attribute 'jwtSecret'"), Kept)]
#[case::null(Some(json!({"jwtSecret": null})), WithBanner, Is(""))]
#[case::digits(Some(json!({"jwtSecret": 12_345_678})), WithBanner, Is("12345678"))]
#[case::one_quote(Some(json!({"jwtSecret": "a\"b"})), Failing("Unterminated quoted string"), Kept)]
#[case::blank_after_the_old_one_was_deleted(Some(json!({"jwtSecret": "a b"})), Failing(MORE_WORDS), Gone)]
#[case::semicolon(Some(json!({"jwtSecret": "a;b"})), Failing("/bin/sh: "), Kept)]
#[tokio::test]
async fn later_run(#[case] given: Option<Value>, #[case] ends: Ends, #[case] secret: Secret) {
    for version in RELEASES {
        let installation = installed_of(version).await;
        let before = installation.secret();
        let text = installation.text();
        if given == Some(json!({"jwtSecret": ""})) {
            // Without another change there is no run.
            installation.apply(role("member"), BANNER, 2).await;
        } else {
            installation.authenticate(given.as_ref(), ends).await;
        }
        installation.holds(secret, before.as_deref());
        if ends == WithBanner {
            let line = format!("  jwtSecret: \"{}\"", installation.secret().unwrap());
            assert!(installation.text().lines().any(|found| found == line), "{version}");
        } else {
            assert_eq!(installation.text(), text, "{version}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn text_edited_back_to_empty_stays(#[values("3.2.1", "3.3.2", "3.4.0", "3.4.1")] version: &str) {
    let installation = installed_of(version).await;
    installation.authenticate(Some(&json!({"jwtSecret": "X"})), WithBanner).await;
    installation.authenticate(Some(&json!({"jwtSecret": ""})), WithBanner).await;
    installation.holds(Is("X"), None);
}

#[tokio::test]
async fn deleted_secret_is_generated_anew_by_the_next_run() {
    let installation = installed().await;
    let before = installation.secret();
    installation.fake.remove(SECRET);
    installation.apply(role("member"), BANNER, 2).await;
    installation.holds(Random, before.as_deref());
}

#[tokio::test]
async fn secret_never_reaches_the_spec() {
    let installation = installed().await;
    installation.apply(role("host"), BANNER, 2).await;
    assert_eq!(installation.fake.get(CONFIGURATION).unwrap()["spec"]["authentication"], json!({"jwtSecret": ""}));
}

#[tokio::test]
async fn null_makes_a_token_without_a_signature() {
    let installation = installed().await;
    installation.authenticate(Some(&json!({"jwtSecret": null})), WithBanner).await;
    assert!(installation.text().contains("  jwtSecret: \"\"\n"));
    let token = secret_text(&installation.fake.get(SECRET).unwrap(), "token").unwrap();
    assert!(token.ends_with('.'), "{token}");
}

#[tokio::test]
async fn keys_of_the_secret_are_its_own_and_the_token_that_it_signs() {
    let installation = installed().await;
    let object = installation.fake.get(SECRET).unwrap();
    let keys: Vec<_> = object["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["secret", "token"]);
    let token = secret_text(&object, "token").unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&claims).unwrap(),
        json!({"email": "admin@kubesphere.io", "username": "admin", "token_type": "static_token"})
    );
}

#[tokio::test]
async fn replaced_secret_loses_the_password_that_the_banner_told() {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    let chosen = json!({"jwtSecret": "", "adminPassword": "Chosen123"});
    installation.authenticate(Some(&chosen), WithBanner).await;
    installation.sees("Password: Chosen123", 1).await;
    let chosen = json!({"jwtSecret": "X", "adminPassword": "Chosen123"});
    installation.authenticate(Some(&chosen), WithBanner).await;
    installation.sees("Password: P@88w0rd", 1).await;
    // The user has the password of the first run all the same.
    let user = installation.fake.get("/apis/iam.kubesphere.io/v1alpha2/users/admin").unwrap();
    assert!(bcrypt::verify("Chosen123", user["spec"]["password"].as_str().unwrap()).unwrap());
}

#[tokio::test]
async fn kept_secret_keeps_the_password_for_later_banners() {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    let chosen = json!({"jwtSecret": "", "adminPassword": "Chosen123"});
    installation.authenticate(Some(&chosen), WithBanner).await;
    installation.apply(role("member"), BANNER, 2).await;
    installation.sees("Password: Chosen123", 2).await;
}
