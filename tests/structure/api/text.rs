//! Tokens as text, independent of how the compiler spaces them.

use quote::ToTokens;

pub(super) fn text(tokens: &impl ToTokens) -> String {
    tidy(&tokens.to_token_stream().to_string())
}

/// Spaces tokens as rustfmt does.
pub(super) fn tidy(tokens: &str) -> String {
    const KEYWORDS: &[&str] = &["as", "const", "dyn", "for", "impl", "in", "mut", "where"];
    let words = words(tokens);
    let mut line = String::new();
    let mut before = "";
    for (at, word) in words.iter().enumerate() {
        let is_last = |next: &&str| [")", ">", "]", "}"].contains(next);
        if *word == "," && words.get(at + 1).is_none_or(|next| is_last(&next.as_str())) {
            continue;
        }
        let is_call = before == ">" || before.ends_with(is_part) && !KEYWORDS.contains(&before);
        let attaches = match word.as_str() {
            "," | ";" | ")" | "]" | ">" | ":" | "::" | "." | "<" => true,
            "(" => is_call,
            _ => false,
        };
        if !attaches && !["", "(", "[", "<", "&", "::", "?", "!", "$", "."].contains(&before) {
            line.push(' ');
        }
        line.push_str(word);
        before = word;
    }
    line
}

/// Splits tokens into names, lifetimes, numbers, `::`, `->` and single characters.
pub(super) fn words(tokens: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for character in tokens.chars() {
        if character.is_whitespace() {
            is_open = false;
            continue;
        }
        let is_joined = match words.last_mut() {
            Some(last) if last == "'" => is_part(character),
            Some(last) if is_open => {
                let is_name = is_part(character) && last.ends_with(is_part);
                is_name
                    || [":", "-"].contains(&last.as_str()) && {
                        let pair = format!("{last}{character}");
                        pair == "::" || pair == "->"
                    }
            }
            _ => false,
        };
        match words.last_mut() {
            Some(last) if is_joined => last.push(character),
            _ => words.push(character.to_string()),
        }
        is_open = true;
    }
    words
}

pub(super) fn is_part(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[test]
fn signatures_are_spaced_as_by_rustfmt() {
    let spaced = "impl < 'a , U : ? Sized > \
        Fn (& 'a mut U , (u8 , [u8 ; 2] ,)  + ' static) -> (crate :: A , B)";
    let expected = "impl<'a, U: ?Sized> Fn(&'a mut U, (u8, [u8; 2]) + 'static) -> (crate::A, B)";
    assert_eq!(tidy(spaced), expected);
    assert_eq!(tidy(expected), expected);
}
