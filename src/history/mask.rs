//! Masks: what looks like a secret does not reach the disk.
//!
//! [`mask`] takes any text: a shell command, a file's content, a line of JSON with further JSON
//! escaped inside. Valid JSON stays valid JSON, because only the inside of a value is replaced.
//! What only looks like a secret (`max_tokens=100`, `password = ask()`, `sk-toggle-label`) stays.
//! A text without anything suspicious costs one pass and no copy.
//!
//! It is a net, not a proof: a secret that looks like a word stays, and so does one that arrives
//! in pieces.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

/// What stands where a secret stood.
pub const MASK: &str = "‹masked›";

/// Names whose values are secrets whatever they look like.
const PASSWORDS: &str = "passw(?:or)?d|passwd|passphrase|secret|credentials?";
/// Names whose values are secrets if they look random.
const TOKENS: &str = "token|(?:api|access|auth|private|secret|signing|encryption)[_-]?key";

/// One kind of secret: where to look, and whether what was found is one.
struct Rule {
    /// Finds it; the group `s` (or `t`) is what is masked.
    find: Regex,
    judge: fn(&Captures<'_>, rest: &str) -> bool,
}

struct Rules {
    any: RegexSet,
    each: Vec<Rule>,
}

static RULES: LazyLock<Result<Rules, regex::Error>> = LazyLock::new(rules);

/// The text without what looks like a secret.
pub fn mask(text: &str) -> Cow<'_, str> {
    let Ok(rules) = &*RULES else { return Cow::Borrowed(MASK) };
    if !rules.any.is_match(text) {
        return Cow::Borrowed(text);
    }
    let mut masked = Cow::Borrowed(text);
    for rule in &rules.each {
        if let Some(next) = rule.apply(&masked) {
            masked = Cow::Owned(next);
        }
    }
    masked
}

impl Rule {
    /// The text with its secrets masked, if it has any.
    fn apply(&self, text: &str) -> Option<String> {
        let mut masked = String::new();
        let mut done = 0;
        for found in self.find.captures_iter(text) {
            let Some(secret) = found.name("s").or_else(|| found.name("t")) else { continue };
            if secret.as_str().contains(MASK) || !(self.judge)(&found, &text[secret.end()..]) {
                continue;
            }
            masked.push_str(&text[done..secret.start()]);
            masked.push_str(MASK);
            done = secret.end();
        }
        (done > 0).then(|| masked + &text[done..])
    }
}

fn rules() -> Result<Rules, regex::Error> {
    type Judge = fn(&Captures<'_>, &str) -> bool;
    let name = format!("[a-z0-9_.-]*?(?P<n>{PASSWORDS}|{TOKENS}|[a-z0-9]_key)");
    // Between two lines of a key: a line end as such or escaped, with a line number or a mark.
    let gap = r"(?:\s|\\[nrt]|[0-9]{1,6}(?:→|\\t|\t|:)|[+>|])+";
    let body = format!(
        r#"(?:[A-Za-z-]+: [^\n\\"]*{gap})*[A-Za-z0-9+/=]{{40,}}(?:{gap}[A-Za-z0-9+/=]{{20,}})*"#
    );
    let list: [(String, Judge); 8] = [
        (
            // A PEM block with a private key; without its end if the text was cut.
            format!(
                "-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----{gap}\
                 (?:(?P<s>{body}(?:{gap}[A-Za-z0-9+/=]{{1,76}})?){gap}-----END|(?P<t>{body}))"
            ),
            |_, _| true,
        ),
        (
            // Keys that say what they are.
            [
                r"(?-u:\b)(?P<s>(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
                r"gh[pousr]_[A-Za-z0-9]{20,}",
                r"github_pat_[A-Za-z0-9_]{22,}",
                r"glpat-[A-Za-z0-9_-]{20,}",
                r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
                r"AIza[0-9A-Za-z_-]{35}",
                r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
                r"npm_[A-Za-z0-9]{36}",
                r"hf_[A-Za-z0-9]{30,}",
                r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})",
            ]
            .join("|"),
            |found, _| mixed(secret(found)),
        ),
        (r"(?-u:\b)(?P<s>sk-[A-Za-z0-9_-]{20,})".to_owned(), |found, _| {
            secret(found).bytes().filter(u8::is_ascii_digit).count() >= 3
        }),
        (r"(?i)(?-u:\b)(?:bearer|basic)\s+(?P<s>[a-z0-9._~+/=-]{16,})".to_owned(), |found, _| {
            secret(found).bytes().any(|b| b.is_ascii_digit() || b == b'=')
        }),
        (
            r"(?-u:\b)[a-z][a-z0-9+.-]*://[^\s/:@\x22'\\]*:(?P<s>[^\s/@\x22'\\]{3,})@".to_owned(),
            |found, _| !refers(secret(found)),
        ),
        (
            // `--password hunter2`
            format!(
                r"(?i)--[a-z-]*?(?P<n>{PASSWORDS}|{TOKENS})\s+(?P<s>[^\s\x22'`\\;&|<>-][^\s\x22'`\\;&|<>]{{3,}})"
            ),
            |found, _| !refers(secret(found)) && (is_password(found) || random(secret(found))),
        ),
        (
            // A key of JSON itself; its value may have blanks.
            format!(
                r#"(?i)"[a-z0-9_.-]*(?P<n>{PASSWORDS}|{TOKENS})"\s*:\s*"(?P<s>(?:[^"\\]|\\.)+)""#
            ),
            |found, _| {
                let value = secret(found);
                !refers(value) && (is_password(found) || random(value))
            },
        ),
        (
            // `NAME=value`, `name: "value"`, also escaped.
            format!(
                r#"(?i)(?P<w>{name})(?P<q>\\*["'`])?(?P<l>\s*)(?P<e>:=|=>|[:=])(?P<r>\s*)(?P<o>\\*["'`])?(?P<s>[^\s"'`\\,;&|<>(){{}}\[\]]{{4,}})"#
            ),
            named,
        ),
    ];
    let any = RegexSet::new(list.iter().map(|(pattern, _)| pattern))?;
    let each = list
        .iter()
        .map(|(pattern, judge)| Ok(Rule { find: Regex::new(pattern)?, judge: *judge }))
        .collect::<Result<_, regex::Error>>()?;
    Ok(Rules { any, each })
}

fn group<'t>(found: &Captures<'t>, name: &str) -> &'t str {
    found.name(name).map_or("", |group| group.as_str())
}

fn secret<'t>(found: &Captures<'t>) -> &'t str {
    group(found, "s")
}

/// Whether the name is one whose value is a secret whatever it looks like.
fn is_password(found: &Captures<'_>) -> bool {
    let name = group(found, "n").to_ascii_lowercase();
    name.starts_with("pass") || name == "secret" || name.starts_with("credential")
}

/// Whether a value under a telling name is a secret, or code, a type or a reference.
fn named(found: &Captures<'_>, rest: &str) -> bool {
    let (word, value) = (group(found, "w"), secret(found));
    let opened = found.name("o").is_some();
    if refers(value) {
        return false;
    }
    let name = group(found, "n");
    if name.to_ascii_lowercase().ends_with("_key") && !is_telling_key(name, word) {
        return false;
    }
    if !opened {
        // Without quotes it may be code: a call, an index, a path of names, a type.
        if rest.starts_with(['(', '[', '<', '{', '!']) {
            return false;
        }
        let bare_json = found.name("q").is_some();
        let spaced = !group(found, "l").is_empty() || !group(found, "r").is_empty();
        let looks_like_code = spaced || group(found, "e") != "=";
        if bare_json || (looks_like_code && !(mixed(value) && value.len() >= 6)) {
            return false;
        }
        let names_itself =
            value.to_ascii_lowercase().replace('-', "_").ends_with(&name.to_ascii_lowercase());
        let dotted = value.contains('.') && !value.bytes().any(|b| b.is_ascii_digit());
        if names_itself || dotted {
            return false;
        }
    }
    is_password(found) || random(value)
}

/// Whether a `…_key` is the name of a secret: `API_KEY`, not `primary_key`.
fn is_telling_key(name: &str, word: &str) -> bool {
    if name.len() > "x_key".len() {
        return true; // It is one of the words in `TOKENS`.
    }
    let harmless = ["PUBLIC_KEY", "PRIMARY_KEY", "FOREIGN_KEY", "SORT_KEY", "PARTITION_KEY"];
    !word.bytes().any(|b| b.is_ascii_lowercase())
        && !harmless.iter().any(|ending| word.ends_with(ending))
}

/// Whether a value only stands for another one, or for none.
fn refers(value: &str) -> bool {
    let nothing = [
        "null",
        "none",
        "true",
        "false",
        "undefined",
        "string",
        "optional",
        "required",
        "str",
        "bytes",
        "secret",
        "password",
        "token",
        "redacted",
        "masked",
        "u8",
        "u16",
        "u32",
        "u64",
        "i32",
        "i64",
        "uint8",
        "int32",
        "int64",
        "uint64",
        "float64",
    ];
    value.starts_with(['$', '%', '*', '<', '{', '(', '[', '@', '‹', '…', '&'])
        || value.starts_with("...")
        || value.starts_with("xxxx")
        || nothing
            .iter()
            .any(|word| value.trim_end_matches(['.', ')', '?']).eq_ignore_ascii_case(word))
        || (value.starts_with('/') && value.len() != 40)
        || (value.contains('_') && value.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
}

/// Whether letters and digits are mixed.
fn mixed(value: &str) -> bool {
    value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Whether a value looks as if nobody had chosen it.
fn random(value: &str) -> bool {
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let plain = !value.contains(char::is_whitespace);
    plain && letters > 0 && ((value.len() >= 8 && mixed(value)) || value.len() >= 24)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rules_are_well_formed() {
        assert!(RULES.is_ok(), "{:?}", RULES.as_ref().err());
    }

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0\
                   AHB7MhgwMbRvI0MB\nhNq5HjK0qgW4ai9wJ3JdPzE7Ud5R0u1z3dJ8n4k4a2f0b6c7d8e9f0a1b2c3d4e5\
                   \nAb12==\n-----END RSA PRIVATE KEY-----\nafter";
        for (text, masked) in [
            ("id AKIAIOSFODNN7EXAMPLE.", "id ‹masked›."),
            ("x sk-ant-api03-abcDEF123456_-7890abcdef y", "x ‹masked› y"),
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "‹masked›"),
            ("github_pat_11ABCDEFG0abcdefghijkl_mnopqrs", "‹masked›"),
            (
                "curl -H 'Authorization: Bearer abc123def456ghi789'",
                "curl -H 'Authorization: Bearer ‹masked›'",
            ),
            ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic ‹masked›"),
            ("mysql --password=hunter2 -h db", "mysql --password=‹masked› -h db"),
            ("tool --token abc123def456", "tool --token ‹masked›"),
            ("export DB_PASSWORD=swordfish; ls", "export DB_PASSWORD=‹masked›; ls"),
            ("password=letmein&user=a", "password=‹masked›&user=a"),
            ("API_KEY='a1b2c3d4e5f6'", "API_KEY='‹masked›'"),
            (
                "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "AWS_SECRET_ACCESS_KEY=‹masked›",
            ),
            ("STRIPE_KEY: 9f8e7d6c5b4a", "STRIPE_KEY: ‹masked›"),
            ("const apiKey = \"9f8e7d6c5b4a\";", "const apiKey = \"‹masked›\";"),
            ("db:\n  password: hunter2\n", "db:\n  password: ‹masked›\n"),
            (r#"{"password":"correct horse battery"}"#, r#"{"password":"‹masked›"}"#),
            (
                r#"{"env":{"GITHUB_TOKEN":"0123456789abcdef"}}"#,
                r#"{"env":{"GITHUB_TOKEN":"‹masked›"}}"#,
            ),
            (
                r#"{"content":"{\"password\": \"hunter2\"}"}"#,
                r#"{"content":"{\"password\": \"‹masked›\"}"}"#,
            ),
            (
                r#"{"command":"export SECRET=abcdef\nls"}"#,
                r#"{"command":"export SECRET=‹masked›\nls"}"#,
            ),
            ("postgres://app:s3cr3t@db/x", "postgres://app:‹masked›@db/x"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "‹masked›"),
            (
                pem,
                "-----BEGIN RSA PRIVATE KEY-----\n‹masked›\n-----END RSA PRIVATE KEY-----\nafter",
            ),
            (
                "two: API_TOKEN=aaaa1111 and DB_PASSWD=bbbb2222",
                "two: API_TOKEN=‹masked› and DB_PASSWD=‹masked›",
            ),
        ] {
            assert_eq!(mask(text), masked, "{text}");
        }
    }

    #[test]
    fn a_private_key_inside_json_is_masked_to_its_end_and_the_json_stays_whole() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        let text = format!(
            "1→-----BEGIN PRIVATE KEY-----\n2→{body}\n3→{body}\n4→Zm9v\n5→-----END PRIVATE KEY-----\n"
        );
        let line = serde_json::json!({ "content": text }).to_string();
        let masked = mask(&line);
        assert!(!masked.contains(&body[..20]) && !masked.contains("Zm9v"), "{masked}");
        assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{masked}");
    }

    #[test]
    fn what_only_resembles_a_secret_stays() {
        for text in [
            "sk-toggleable__label-arrow-1",
            "the sk-learn-contrib-package-with-a-long-name",
            r#"{"usage":{"input_tokens":1234,"output_tokens":56,"cache_read_input_tokens":78}}"#,
            r#"{"apiKeySource":"none","max_tokens":4096}"#,
            r#"{"password":null,"token":true,"secret":12345678}"#,
            r#"{"properties":{"password":{"type":"string"},"token":"string"}}"#,
            "max_tokens=1000",
            "let password = ask_password();",
            "let token = parser.next_token()?;",
            "token: Token, password: String, secret: &str",
            "pub token: Option<String>,",
            "fn login(password: &str, token: u64)",
            "password = os.environ[\"X\"]",
            "login(password=password, token=auth_token)",
            "export TOKEN=$GITHUB_TOKEN",
            "password=${DB_PASSWORD}",
            "TOKEN=<your token>",
            "a secret: `API_KEY`, api_key_env = \"OPENAI_API_KEY\"",
            "password: ********",
            "const key = process.env.API_KEY;",
            "apiKey: process.env.OPENAI_API_KEY,",
            "primary_key=\"customer_id_2\"",
            "SORT_KEY=created_at_1",
            "cache_key = \"user:123:profile\"",
            "the bearer of this letter and the basic instruction set",
            "the password is asked for, the token: it expires",
            "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n",
            "if text.contains(\"-----BEGIN PRIVATE KEY-----\") { refuse(\"a key of somebody\"); }",
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ user@host",
            "git@github.com:me/repo.git and http://localhost:8080/a@b",
            "ghp_short AKIASHORT xoxb-1 eyJhbGciOiJ9",
            "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
            "uuid 0192f0c1-2345-7abc-8def-0123456789ab",
        ] {
            assert_eq!(mask(text), text);
            assert!(matches!(mask(text), Cow::Borrowed(_)), "copied: {text}");
        }
    }

    #[test]
    fn masking_twice_changes_nothing_more() {
        let once =
            mask("DB_PASSWORD=swordfish --token abc123def456 sk-aaaa1111bbbb2222cccc").into_owned();
        assert_eq!(mask(&once), once);
    }

    proptest! {
        #[test]
        fn json_stays_json(before in ".{0,40}", after in ".{0,40}", pick in 0usize..6) {
            let secret = [
                "password=hunter2", "\"token\": \"abc123def456\"", "Bearer abc123def456ghi789",
                "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n",
                "https://a:b1c2d3@h", "API_KEY=a1b2c3d4e5",
            ][pick];
            let value = serde_json::json!({
                "text": format!("{before}{secret}{after}"), "password": before, "n": 7,
            });
            let masked = mask(&value.to_string()).into_owned();
            prop_assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{}", masked);
        }
    }
}
