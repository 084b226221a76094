//! The name of a before-image: everything that a restart must know of it.
//!
//! `serial~moment~deed~owner~hash of the path~path`. What may not stand in a file's name is
//! escaped. A path that does not fit is left out; a companion, a file named after the path's hash,
//! holds it. A name that is not exactly what would be written is none.

use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Wall;

/// The longest name that file systems take.
const LONGEST: usize = 255;

/// Digits of the path's hash.
const DIGITS: usize = 32;

/// What was about to happen to a file when its image was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Its name goes: unlinked, or another file is renamed over it.
    Unnamed,
    /// Its content goes: truncated, or opened for writing in place.
    Rewritten,
    /// It comes to be; the image is empty.
    Made,
    /// Its permissions change; the image is empty and has those that it had.
    Moded,
    /// Something of it goes that may not be kept, or cannot; the image is empty.
    Withheld,
}

/// The name of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// Its number; no two images of a workspace ever have the same.
    pub serial: u64,
    /// When it was made.
    pub at: Wall,
    /// What was about to happen.
    pub deed: Deed,
    /// Who was about to do it.
    pub owner: Owner,
    /// The file.
    pub path: WorkPath,
}

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// All of it.
    Whole(ImageName),
    /// All but the path, which a companion holds.
    Short {
        /// The companion's name.
        companion: String,
        /// The name as it is, for [`ImageName::complete`].
        rest: Rest,
    },
}

/// What a name without a path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    serial: u64,
    at: Wall,
    deed: Deed,
    owner: Owner,
    digits: String,
}

impl Rest {
    /// The number of the image.
    pub fn serial(&self) -> u64 {
        self.serial
    }
}

impl ImageName {
    /// The name as a file's name; `None` if not even the short form fits.
    pub fn to_file_name(&self) -> Option<String> {
        let deed = match self.deed {
            Deed::Unnamed => 'u',
            Deed::Rewritten => 'w',
            Deed::Made => 'm',
            Deed::Moded => 'p',
            Deed::Withheld => 'h',
        };
        let moment = u64::try_from(self.at.0).unwrap_or(0);
        let owner = escaped(&self.owner.key());
        let digits = digits(&self.path);
        let short = format!("{:016x}~{moment:012x}~{deed}~{owner}~{digits}~", self.serial);
        let whole = format!("{short}{}", escaped(self.path.as_str()));
        [whole, short].into_iter().find(|name| name.len() <= LONGEST)
    }

    /// The name of the companion, if the path does not fit into the name.
    pub fn companion(&self) -> Option<String> {
        let short = self.to_file_name().is_some_and(|name| name.ends_with('~'));
        short.then(|| companion(&digits(&self.path)))
    }

    /// Reads a file's name.
    pub fn parse(name: &str) -> Option<Parsed> {
        let fields: Vec<&str> = name.split('~').collect();
        let [serial, moment, deed, owner, hash, path] = fields[..] else { return None };
        let deed = match deed {
            "u" => Deed::Unnamed,
            "w" => Deed::Rewritten,
            "m" => Deed::Made,
            "p" => Deed::Moded,
            "h" => Deed::Withheld,
            _ => return None,
        };
        let rest = Rest {
            serial: u64::from_str_radix(serial, 16).ok()?,
            at: Wall(i64::from_str_radix(moment, 16).ok()?),
            deed,
            owner: Owner::from_key(&unescaped(owner)?),
            digits: hash.to_owned(),
        };
        if path.is_empty() {
            let is_hash = hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            let companion = companion(hash);
            return is_hash.then_some(Parsed::Short { companion, rest });
        }
        let whole = Self::complete(rest, &unescaped(path)?)?;
        (whole.to_file_name().as_deref() == Some(name)).then_some(Parsed::Whole(whole))
    }

    /// Completes a short name with the path from its companion, if it is the right one.
    pub fn complete(rest: Rest, path: &str) -> Option<Self> {
        let path = WorkPath::parse(path)?;
        let Rest { serial, at, deed, owner, digits: hash } = rest;
        (digits(&path) == hash).then_some(Self { serial, at, deed, owner, path })
    }
}

fn digits(path: &WorkPath) -> String {
    Hash::of(path.as_str().as_bytes()).to_hex()[..DIGITS].to_owned()
}

fn companion(digits: &str) -> String {
    format!("{digits}.path")
}

/// The text in letters, digits, `.`, `_`, `-`; `+` for `/`; anything else as `%` and two digits.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                out.push(char::from(byte));
            }
            b'/' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b'/'),
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(owner: Owner, path: &str) -> ImageName {
        let path = WorkPath::parse(path).unwrap();
        ImageName { serial: 7, at: Wall(0x18c), deed: Deed::Rewritten, owner, path }
    }

    #[test]
    fn a_name_reads_as_it_should() {
        let image = name(Owner::Session("s-1".into(), Some("sub".into())), "src/ä b.rs");
        let text = image.to_file_name().unwrap();
        let (front, back) = text.split_at(text.len() - 50);
        assert_eq!(front, "0000000000000007~00000000018c~w~s-1+sub~");
        assert!(back.ends_with("~src+%C3%A4%20b.rs"), "{back}");
        assert_eq!(ImageName::parse(&text), Some(Parsed::Whole(image)));
    }

    #[test]
    fn what_was_tampered_with_is_no_name() {
        let text = name(Owner::User, "src/a.rs").to_file_name().unwrap();
        for (from, to) in [("a.rs", "b.rs"), ("~w~", "~x~"), ("user", "us%2er"), ("7~", "7~~")] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            assert_eq!(ImageName::parse(&changed), None, "{changed}");
        }
        assert_eq!(ImageName::parse("notes.txt"), None);
        assert_eq!(ImageName::parse(&format!("{text}.part")), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_path_comes_back(
            path in "[ -~äß€]{1,120}(/[ -~ä]{1,120}){0,3}", serial in any::<u64>(), sub in "[ -~]{0,9}",
        ) {
            let Some(path) = WorkPath::parse(&path) else { return Ok(()) };
            let sub = (!sub.is_empty()).then(|| sub.as_str().into());
            let image = ImageName {
                serial,
                at: Wall(1),
                deed: Deed::Unnamed,
                owner: Owner::Session("0190-s".into(), sub),
                path: path.clone(),
            };
            let text = image.to_file_name().unwrap();
            prop_assert!(text.len() <= LONGEST && !text.contains('/'));
            match ImageName::parse(&text) {
                Some(Parsed::Whole(parsed)) => {
                    prop_assert_eq!(image.companion(), None);
                    prop_assert_eq!(parsed, image);
                }
                Some(Parsed::Short { companion, rest }) => {
                    prop_assert_eq!(image.companion(), Some(companion));
                    prop_assert_eq!(ImageName::complete(rest.clone(), "another"), None);
                    prop_assert_eq!(ImageName::complete(rest, path.as_str()), Some(image));
                }
                None => prop_assert!(false, "{} is not read", text),
            }
        }
    }
}
