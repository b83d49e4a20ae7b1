//! The `jwtSecret` of a run: what the spec asks for, what the shell makes of it, and the token that goes with it
//! (ks-installer v3.3.2, role `init-token`; all rows of the table below were run with Ansible 2.9.27).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use kubesphere::JwtSecret;
use rand::RngExt as _;
use serde_json::Value;

use super::spec::{Spec, Undefined, python};

/// What the spec asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The secret that is there, or a random one.
    Keep,
    /// This one, also in place of the secret that is there.
    Replace(JwtSecret),
}

/// What `spec.authentication` asks for.
///
/// # Errors
/// [`Undefined`] when there is such a section and it lacks the key.
pub fn wanted(spec: &Spec) -> Result<Wanted, Undefined> {
    let Some(authentication) = spec.get("authentication") else { return Ok(Wanted::Keep) };
    match authentication.get("jwtSecret") {
        None => Err(Undefined(format!(
            "The conditional check '(authentication is not defined and authentication.jwtSecret is not defined) or \
             authentication.jwtSecret == \"\"' failed. The error was: error while evaluating conditional \
             ((authentication is not defined and authentication.jwtSecret is not defined) or \
             authentication.jwtSecret == \"\"): {}",
            Undefined::attribute(authentication, "jwtSecret")
        ))),
        Some(Value::String(text)) if text.is_empty() => Ok(Wanted::Keep),
        Some(Value::Null) => Ok(Wanted::Replace(JwtSecret::new(""))),
        Some(value) => Ok(Wanted::Replace(JwtSecret::new(python(value)))),
    }
}

/// A random secret: 32 letters and digits, or of another form.
pub fn generate(of_other_form: bool) -> JwtSecret {
    JwtSecret::new(if of_other_form { format!("{}-{}_", random_text(23), random_text(23)) } else { random_text(32) })
}

/// `length` random letters and digits, from the system as in the original and not from the run's seed: a secret is part
/// of a cluster's identity, and no two clusters share one.
pub fn random_text(length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// What the shell makes of a secret that stands unquoted in a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unquoted {
    /// The word that the secret's beginning becomes.
    pub word: JwtSecret,
    /// How many more words there are.
    pub more: usize,
    /// The command's output goes to a file.
    pub is_redirected: bool,
}

impl Unquoted {
    /// Reads `secret` as the shell does.
    ///
    /// # Errors
    /// The shell's last words when the command line is none, or goes on with a command that does not exist.
    pub fn read(secret: &JwtSecret) -> Result<Self, String> {
        let mut read = Self { word: JwtSecret::new(""), more: 0, is_redirected: false };
        let mut word = String::new();
        let mut text = secret.expose().chars().peekable();
        while let Some(character) = text.next() {
            match character {
                '\'' | '"' => loop {
                    match text.next() {
                        Some(end) if end == character => break,
                        Some(inner) if read.more == 0 => word.push(inner),
                        Some(_) => {}
                        None => return Err("/bin/sh: Syntax error: Unterminated quoted string".to_owned()),
                    }
                },
                '\\' => word.extend(text.next().filter(|_| read.more == 0)),
                '$' if text.peek().is_some_and(|next| next.is_ascii_alphabetic() || *next == '_') => {
                    // A variable that is not set.
                    while text.next_if(|next| next.is_ascii_alphanumeric() || *next == '_').is_some() {}
                }
                ';' | '&' | '|' | '<' | '(' | ')' | '`' => {
                    return Err(format!("/bin/sh: the value of jwtSecret has a {character} in it"));
                }
                '>' => {
                    read.is_redirected = true;
                    while text.next_if(|next| !next.is_ascii_whitespace()).is_some() {}
                }
                blank if blank.is_ascii_whitespace() => {
                    read.more += usize::from(text.peek().is_some_and(|next| !next.is_ascii_whitespace()));
                }
                other if read.more == 0 => word.push(other),
                _ => {}
            }
        }
        read.word = JwtSecret::new(word);
        Ok(read)
    }
}

/// The static token that is kept beside the secret: signed with it, without an end.
pub fn token(secret: &JwtSecret) -> String {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = encode(r#"{"email":"admin@kubesphere.io","username":"admin","token_type":"static_token"}"#);
    let message = format!("{header}.{claims}");
    let key = jsonwebtoken::EncodingKey::from_secret(secret.expose().as_bytes());
    // Without a key there is no signature, and the token is malformed.
    let signature = if secret.is_empty() {
        String::new()
    } else {
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap_or_default()
    };
    format!("{message}.{signature}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn replace(text: &str) -> Wanted {
        Wanted::Replace(JwtSecret::new(text))
    }

    #[rstest]
    #[case(json!({}), Wanted::Keep)]
    #[case(json!({"authentication": {"jwtSecret": ""}}), Wanted::Keep)]
    #[case(json!({"authentication": {"jwtSecret": "X"}}), replace("X"))]
    #[case(json!({"authentication": {"jwtSecret": null}}), replace(""))]
    #[case(json!({"authentication": {"jwtSecret": 12_345_678}}), replace("12345678"))]
    fn reads_what_the_spec_asks_for(#[case] spec: Value, #[case] expected: Wanted) {
        assert_eq!(wanted(spec.as_object().unwrap()).unwrap(), expected);
    }

    #[rstest]
    #[case(json!({"authentication": {}}), "'dict object' has no attribute 'jwtSecret'")]
    #[case(json!({"authentication": null}), "'None' has no attribute 'jwtSecret'")]
    fn fails_without_the_key(#[case] spec: Value, #[case] ending: &str) {
        let error = wanted(spec.as_object().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("The conditional check '(authentication is not defined"), "{error}");
        assert!(error.ends_with(ending), "{error}");
    }

    #[rstest]
    #[case("abc", "abc", 0)]
    #[case("", "", 0)]
    #[case("a$b", "a", 0)]
    #[case("a\"b\"c", "abc", 0)]
    #[case("a\\b", "ab", 0)]
    #[case("a b$c", "a", 1)]
    #[case("a b  c", "a", 2)]
    #[case("a>b", "a", 0)]
    fn reads_the_secret_as_the_shell_does(#[case] secret: &str, #[case] word: &str, #[case] more: usize) {
        let read = Unquoted::read(&JwtSecret::new(secret)).unwrap();
        assert_eq!((read.word.expose(), read.more), (word, more));
        assert_eq!(read.is_redirected, secret.contains('>'));
    }

    #[rstest]
    #[case("a\"b", "/bin/sh: Syntax error")]
    #[case("a;b", "/bin/sh: ")]
    #[case("a(b", "/bin/sh: ")]
    fn refuses_what_is_no_command_line(#[case] secret: &str, #[case] beginning: &str) {
        let error = Unquoted::read(&JwtSecret::new(secret)).unwrap_err();
        assert!(error.starts_with(beginning), "{error}");
    }

    #[test]
    fn generates_32_letters_and_digits() {
        let (one, other) = (generate(false), generate(false));
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), 32);
        assert!(one.expose().chars().all(|c| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn signs_a_token_without_an_end() {
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        let key = jsonwebtoken::DecodingKey::from_secret(b"abc");
        let claims = jsonwebtoken::decode::<Value>(&token(&JwtSecret::new("abc")), &key, &rules).unwrap().claims;
        let expected = json!({"email": "admin@kubesphere.io", "username": "admin", "token_type": "static_token"});
        assert_eq!(claims, expected);
    }
}
