//! Paths inside the workspace.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A file or folder inside the workspace: relative to its root, `/`-separated, free of `..`.
///
/// Two spellings of one file are one `WorkPath` only after the edge has resolved links; this type
/// holds what came out of that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkPath(String);

impl WorkPath {
    /// Accepts `raw` if it stays inside the workspace.
    pub fn parse(raw: &str) -> Option<Self> {
        let inside = !raw.is_empty()
            && !raw.starts_with('/')
            && !raw.contains('\0')
            && raw.split('/').all(|part| !matches!(part, "" | "." | ".."));
        inside.then(|| Self(raw.to_owned()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it lies on disk below `root`.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Whether the name says that the content is nobody's business (`.env*`, keys): such a content
    /// is known by its hash and never stored.
    pub fn may_be_secret(&self) -> bool {
        // Whole words: `id_map.rs` and `credentials.rs` are source code like any other.
        const STARTS: [&str; 5] = [".env", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"];
        const ENDS: [&str; 4] = [".pem", ".key", ".p12", ".pfx"];
        const NAMES: [&str; 6] =
            [".npmrc", ".netrc", "_netrc", ".pypirc", "credentials", "credentials.json"];
        let name = self.name().to_lowercase();
        STARTS.iter().any(|start| name.starts_with(start))
            || ENDS.iter().any(|end| name.ends_with(end))
            || NAMES.contains(&name.as_str())
    }

    /// Whether `self` is `dir` or lies below it.
    pub fn is_within(&self, dir: &Self) -> bool {
        self.0 == dir.0
            || (self.0.len() > dir.0.len()
                && self.0.starts_with(&dir.0)
                && self.0.as_bytes()[dir.0.len()] == b'/')
    }
}

impl fmt::Display for WorkPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for WorkPath {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse(&raw).ok_or_else(|| format!("`{raw}` is not a path inside the workspace"))
    }
}

impl From<WorkPath> for String {
    fn from(path: WorkPath) -> Self {
        path.0
    }
}

/// The BLAKE3 hash of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

impl Hash {
    /// Stands for a content that nobody looked at: no bytes have this hash.
    pub const UNSEEN: Self = Self([0; 32]);

    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// A hash of bytes that come in pieces.
    pub fn stream() -> HashStream {
        HashStream(blake3::Hasher::new())
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        blake3::Hash::from_hex(hex).ok().map(|hash| Self(*hash.as_bytes()))
    }

    /// Takes 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes of it.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash as 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

/// A hash in the making.
#[derive(Debug, Clone)]
pub struct HashStream(blake3::Hasher);

impl HashStream {
    /// Takes in everything that `source` has.
    pub fn read_all(&mut self, source: &mut impl std::io::Read) -> std::io::Result<()> {
        self.0.update_reader(source).map(|_| ())
    }

    /// The hash of what was taken in.
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..12])
    }
}

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse(&raw).ok_or_else(|| format!("`{raw}` is not a BLAKE3 hash"))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_inside_are_accepted() {
        for good in ["a", "src/a.rs", "a b/c"] {
            assert!(WorkPath::parse(good).is_some(), "{good}");
        }
        for bad in ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\0b"] {
            assert!(WorkPath::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_tells_what_is_nobodys_business() {
        let secret = |raw| WorkPath::parse(raw).expect("a good path").may_be_secret();
        for yes in [
            ".env",
            "app/.ENV.local",
            "tls/server.pem",
            "id_ed25519",
            "a/ID_RSA",
            "a/cert.p12",
            ".npmrc",
            "b/.netrc",
            "Credentials.json",
        ] {
            assert!(secret(yes), "{yes}");
        }
        for no in ["src/env.rs", "src/id_map.rs", "pem", ".env.d/readme", "credentials.rs"] {
            assert!(!secret(no), "{no}");
        }
    }

    #[test]
    fn a_folder_holds_what_lies_below_it_and_not_its_namesakes() {
        let path = |raw| WorkPath::parse(raw).expect("a good path");
        assert!(path("src/a").is_within(&path("src")));
        assert!(path("src").is_within(&path("src")));
        assert!(!path("src2/a").is_within(&path("src")));
    }
}
