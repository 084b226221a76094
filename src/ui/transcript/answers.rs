//! What a person answered to questions with options, read from what the agent got.
//!
//! The back end tells the agent the answers in a sentence: `"Which?"="A, B", "Why?"="because"`. The
//! questions are known, so the answers can be found in it whatever stands around them. A sentence
//! that is not understood is not interpreted: the whole of it is shown instead.

use serde_json::Value;

use crate::ui::text::one_line;

/// Questions as they were asked, with the answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) questions: Vec<Question>,
    /// Whether the answers say something about each question.
    pub(super) understood: bool,
}

/// One question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) text: String,
    pub(super) options: Vec<Choice>,
    /// What was answered beside the options.
    pub(super) own_words: Option<String>,
}

/// One option.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) label: String,
    pub(super) about: String,
    pub(super) chosen: bool,
}

/// Reads the questions of `input`, and what `told` says of their answers.
pub(super) fn of(input: &Value, told: &str) -> Asked {
    let asked = list(input, "questions");
    let names: Vec<&str> = asked.iter().map(|question| text(question, "question")).collect();
    let mut questions = Vec::new();
    let mut understood = !asked.is_empty();
    for (at, question) in asked.iter().enumerate() {
        let answer = answer(told, &names, at);
        understood &= answer.is_some();
        questions.push(chosen(question, answer.unwrap_or_default()));
    }
    Asked { questions, understood }
}

/// The answer to a question: what stands between its words and whatever comes next.
fn answer<'a>(told: &'a str, names: &[&str], at: usize) -> Option<&'a str> {
    let begin = format!("\"{}\"=\"", names.get(at)?);
    let rest = &told[told.find(&begin)? + begin.len()..];
    let next = names.iter().map(|name| format!("\", \"{name}\"=\""));
    let end = next.filter_map(|next| rest.find(&next)).min();
    let end = end.or_else(|| rest.find("\". ")).or_else(|| rest.rfind('"'))?;
    Some(&rest[..end])
}

fn chosen(question: &Value, answer: &str) -> Question {
    let mut options: Vec<_> = list(question, "options")
        .iter()
        .map(|option| Choice {
            label: one_line(text(option, "label")),
            about: one_line(text(option, "description")),
            chosen: false,
        })
        .collect();
    // Labels stand one after the other; what is left are words of the person's own.
    let mut rest = answer.trim().to_owned();
    let mut longest: Vec<usize> = (0..options.len()).collect();
    longest.sort_by_key(|at| std::cmp::Reverse(options[*at].label.len()));
    while let Some((at, left)) = longest.iter().find_map(|at| {
        let left = rest.strip_prefix(options[*at].label.as_str())?;
        let ends = left.is_empty() || left.starts_with(", ");
        let fresh = !options[*at].chosen && !options[*at].label.is_empty();
        (ends && fresh).then(|| (*at, left.trim_start_matches(", ").to_owned()))
    }) {
        options[at].chosen = true;
        rest = left;
    }
    let own_words = (!rest.is_empty()).then(|| one_line(&rest));
    Question { text: one_line(text(question, "question")), options, own_words }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(told: &str, expected: &str) {
        let option = |label: &str| json!({"label": label, "description": ""});
        let input = json!({"questions": [
            {"question": "Which?", "options": [option("A"), option("A, B")]},
            {"question": "Where?", "options": [option("here"), option("there")]},
        ]});
        let asked = of(&input, told);
        let words = |question: &Question| {
            let chosen = question.options.iter().filter(|option| option.chosen);
            let chosen: Vec<_> = chosen.map(|option| option.label.as_str()).collect();
            format!("{} + {}", chosen.join("|"), question.own_words.as_deref().unwrap_or("-"))
        };
        let all: Vec<_> = asked.questions.iter().map(words).collect();
        assert_eq!(format!("{} {}", asked.understood, all.join("; ")), expected, "{told}");
    }

    #[test]
    fn answers_are_found_between_the_questions() {
        let end = "You can now continue with these answers in mind.";
        check(
            &format!(
                "Your questions have been answered: \"Which?\"=\"A\", \"Where?\"=\"there\". {end}"
            ),
            "true A + -; there + -",
        );
        check(
            "User has answered: \"Which?\"=\"A, B, A\", \"Where?\"=\"here, or \"near\"\"",
            "true A|A, B + -; here + or \"near\"",
        );
        check("\"Which?\"=\"neither\", \"Where?\"=\"\"", "true  + neither;  + -");
        check("The user did not answer the questions.", "false  + -;  + -");
    }
}
