//! The options of one verb of git: which there are, and which take a value.
//!
//! As git reads them: short ones in clusters, long ones abbreviated or negated, everything behind
//! `--` a plain word. An option that is not in the table is not guessed at.

/// The options of a verb: words of `SHORT,LONG`, `,LONG` or `SHORT`, with `:` behind
/// one that takes a value and `?` behind one that may have one attached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table(pub(super) &'static str);

/// An option of a table.
#[derive(Debug, Clone, Copy)]
struct Opt {
    short: Option<char>,
    long: &'static str,
    value: Value,
}

/// Whether an option has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Needed,
    Attached,
}

/// The arguments of a verb, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// The options by their long names (`no-` before a negated one), each with the arguments that
    /// say it alone.
    pub(super) found: Vec<(String, Vec<String>)>,
    /// The plain words before `--`, or all of them.
    pub(super) words: Vec<String>,
    /// The words behind `--`, if there is one.
    pub(super) behind: Option<Vec<String>>,
}

impl Parsed {
    /// Whether one of these options is there.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.found.iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    /// The arguments of all options but these.
    pub(super) fn but(&self, names: &[&str]) -> Vec<String> {
        let kept = self.found.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        kept.flat_map(|(_, args)| args.iter().cloned()).collect()
    }

    /// All plain words.
    pub(super) fn all_words(&self) -> Vec<String> {
        self.words.iter().chain(self.behind.iter().flatten()).cloned().collect()
    }
}

impl Table {
    fn options(self) -> impl Iterator<Item = Opt> {
        self.0.split_ascii_whitespace().map(|word| {
            let (name, value) = match (word.strip_suffix(':'), word.strip_suffix('?')) {
                (Some(name), _) => (name, Value::Needed),
                (None, Some(name)) => (name, Value::Attached),
                (None, None) => (word, Value::None),
            };
            let alone = if name.len() == 1 { (name, "") } else { ("", name) };
            let (short, long) = name.split_once(',').unwrap_or(alone);
            Opt { short: short.chars().next(), long, value }
        })
    }

    /// The option that a long name means, and the name as it is told; abbreviations must be clear.
    fn long(self, name: &str) -> Option<(Opt, String)> {
        let mut close = Vec::new();
        for option in self.options().filter(|option| !option.long.is_empty()) {
            let negated = match option.long.strip_prefix("no-") {
                Some(positive) => positive.to_owned(),
                None => format!("no-{}", option.long),
            };
            for spelling in [option.long.to_owned(), negated] {
                if spelling == name {
                    return Some((option, spelling));
                }
                if !name.is_empty() && spelling.starts_with(name) {
                    close.push((option, spelling));
                }
            }
        }
        if close.len() == 1 { close.pop() } else { None }
    }

    /// Takes `args` apart; nothing if there is an option that is not in the table.
    pub(super) fn parse(self, args: &[String]) -> Option<Parsed> {
        let mut parsed = Parsed::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if arg == "--" {
                parsed.behind = Some(rest.cloned().collect());
                break;
            }
            if let Some(long) = arg.strip_prefix("--") {
                let (name, attached) = match long.split_once('=') {
                    Some((name, _)) => (name, true),
                    None => (long, false),
                };
                let (option, spelling) = self.long(name)?;
                let mut said = vec![arg.clone()];
                if attached && option.value == Value::None {
                    return None;
                }
                // A negated option has no value of its own.
                let takes = option.value == Value::Needed && spelling == option.long;
                if takes && !attached {
                    said.push(rest.next()?.clone());
                }
                parsed.found.push((spelling, said));
            } else if arg.len() > 1 && arg.starts_with('-') {
                self.cluster(arg, &mut rest, &mut parsed)?;
            } else {
                parsed.words.push(arg.clone());
            }
        }
        Some(parsed)
    }

    /// Takes a cluster of short options apart (`-am words`).
    fn cluster<'a>(
        self,
        arg: &str,
        rest: &mut impl Iterator<Item = &'a String>,
        parsed: &mut Parsed,
    ) -> Option<()> {
        for (at, letter) in arg.char_indices().skip(1) {
            let option = self.options().find(|option| option.short == Some(letter))?;
            let name =
                if option.long.is_empty() { letter.to_string() } else { option.long.to_owned() };
            let attached = &arg[at + letter.len_utf8()..];
            match option.value {
                Value::None => parsed.found.push((name, vec![format!("-{letter}")])),
                Value::Attached => {
                    parsed.found.push((name, vec![format!("-{letter}{attached}")]));
                    break;
                }
                Value::Needed if attached.is_empty() => {
                    let value = rest.next()?.clone();
                    parsed.found.push((name, vec![format!("-{letter}"), value]));
                    break;
                }
                Value::Needed => {
                    parsed.found.push((name, vec![format!("-{letter}{attached}")]));
                    break;
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table("a,all m,message: ,amend S,gpg-sign? q,quiet 2,ours");

    fn check(args: &str, expected: &str) {
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        let told = TABLE.parse(&args).map(|parsed| {
            let found: Vec<String> = parsed
                .found
                .iter()
                .map(|(name, args)| format!("{name}<{}>", args.join(" ")))
                .collect();
            format!("{} | {:?} {:?}", found.join(" "), parsed.words, parsed.behind)
        });
        assert_eq!(told.as_deref().unwrap_or("unclear"), expected, "{args:?}");
    }

    #[test]
    fn options_are_read_as_git_reads_them() {
        check("-am words file", "all<-a> message<-m words> | [\"file\"] None");
        check("-qamwords", "quiet<-q> all<-a> message<-mwords> | [] None");
        check("--mess words x", "message<--mess words> | [\"x\"] None");
        check("--message=a=b", "message<--message=a=b> | [] None");
        check("-Skey -a", "gpg-sign<-Skey> all<-a> | [] None");
        check("-S key", "gpg-sign<-S> | [\"key\"] None");
        check("--no-all", "no-all<--no-all> | [] None");
        check("--am -- -a --all", "amend<--am> | [] Some([\"-a\", \"--all\"])");
        check("-- ", " | [] Some([\"\"])");
        check("-", " | [\"-\"] None");
    }

    #[test]
    fn what_is_not_in_the_table_is_not_guessed_at() {
        for args in ["-x", "-ax", "--a", "--alle", "--all=yes", "-m", "--message", "--zap"] {
            check(args, "unclear");
        }
    }
}
