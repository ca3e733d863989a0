//! Names: what can be one, and which are the same to those who read them.
//!
//! Names of all scripts are possible. What can't be seen, or changes how the text around a name looks, is not;
//! and a name that looks like another is taken with it, by the tables of Unicode (UTS #39).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeEmoji, UnicodeGeneralCategory};
use unicode_security::skeleton;

use super::limits::MAX_NAME;
use super::refusal::{Refusal, Word};

/// "Forbid sequences of more than 4 nonspacing marks (gc=Mn or gc=Me)" (UTS #39, section 5.4).
const MAX_MARKS: usize = 4;

/// A name in the form in which it is kept: NFKC, without needless spaces.
pub(super) fn tidy(word: Word, name: &str) -> Result<String, Refusal> {
    let name = plain(name);
    if name.is_empty() {
        Err(Refusal::Empty(word))
    } else if name.chars().count() > MAX_NAME {
        Err(Refusal::TooLong(word))
    } else if hides_something(&name) {
        Err(Refusal::Invisible(word))
    } else if has_loose_marks(&name) {
        Err(Refusal::Marks(word))
    } else {
        Ok(name)
    }
}

/// The form in which names are compared: those that differ in case only are the same.
pub(super) fn fold(name: &str) -> String {
    plain(name).chars().filter(|&c| !is_joiner(c)).collect::<String>().to_lowercase()
}

/// What a name looks like. Two names can be taken for each other if they have one of these in common.
///
/// Letters look like others in one case only: `I` like `l`, `В` like `B`. So each is compared as it is written,
/// and in lower case; and the letters of other scripts like those of ASCII, whatever their case.
pub(super) fn looks(name: &str) -> [(Look, String); 3] {
    let name: String = name.chars().filter(|&c| !is_joiner(c)).collect();
    let like_ascii =
        |c: char| if c.is_ascii() { String::from(c) } else { skeleton(c.encode_utf8(&mut [0; 4])).collect() };
    [
        (Look::AsWritten, skeleton(&name).collect()),
        (Look::InLowerCase, skeleton(&name.to_lowercase()).collect()),
        (Look::InAscii, name.chars().map(like_ascii).collect::<String>().to_lowercase()),
    ]
}

/// How a name was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Look {
    AsWritten,
    InLowerCase,
    InAscii,
}

/// Normalised: letters that differ in their encoding, width or font only are the same.
fn plain(name: &str) -> String {
    // Only as much as is needed to see that it is too long: it may be a megabyte.
    let name: String = name.trim_start().chars().take(MAX_NAME * 4).nfkc().collect();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether there is something that can't be seen, or that turns the direction of what follows.
fn hides_something(name: &str) -> bool {
    let mut before = None;
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        let hidden = if is_joiner(c) {
            !before.is_some_and(|before| joins(before, c, characters.peek().copied()))
        } else {
            is_invisible(c)
        };
        if hidden {
            return true;
        }
        before = Some(c);
    }
    false
}

/// Characters that show nothing by themselves, and change those beside them where a script or emoji needs it.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}')
        || matches!(c, '\u{e0100}'..='\u{e01ef}')
}

/// Whether a joiner has something to do where it stands: between emoji, and in words of a script that has no
/// upper case. The others have no use for it.
fn joins(before: char, joiner: char, after: Option<char>) -> bool {
    let emoji = |c: char| !c.is_ascii() && (c.is_emoji_char() || c == '\u{fe0f}');
    let letter = |c: char| {
        (c.is_alphabetic() || is_combining_mark(c)) && c > '\u{590}' && !c.is_uppercase() && !c.is_lowercase()
    };
    let alike = |c: char| emoji(c) || (letter(c) && !is_joiner(c));
    match joiner {
        '\u{200c}' | '\u{200d}' => {
            alike(before) && after.is_some_and(|after| emoji(before) == emoji(after) && alike(after))
        }
        _ => alike(before) && before != '\u{fe0f}',
    }
}

fn is_invisible(c: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned,
    };
    let category = c.general_category();
    matches!(category, Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned)
        // Fillers and blanks that are letters, marks or symbols by their category.
        || matches!(c, '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}')
        || matches!(c, '\u{ffa0}' | '\u{fffc}' | '\u{1d159}')
}

/// Whether marks stand on no letter, or pile up and cover the lines around them.
fn has_loose_marks(name: &str) -> bool {
    let mut marks = 0;
    let mut before = ' ';
    for c in name.chars() {
        let mark =
            matches!(c.general_category(), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark);
        marks = if mark && !is_joiner(c) { marks + 1 } else { 0 };
        if marks > MAX_MARKS || (is_combining_mark(c) && before == ' ') {
            return true;
        }
        before = c;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &str, other: &str) -> bool {
        looks(one).iter().any(|look| looks(other).contains(look))
    }

    #[test]
    fn names_of_all_scripts_are_possible() {
        for name in [
            "Ada Lovelace",
            "Ōkuma",
            "Zoë",
            "Nguyễn Thị Hương",
            "Ольга",
            "Δημήτρης",
            "Միքայել",
            "თამარი",
            "יעל",
            "שָׁלוֹם",
            "محمد",
            "مُحَمَّد",
            "می\u{200c}خواهم",
            "हिन्दी",
            "क्\u{200d}ष",
            "தமிழ்",
            "ภาษาไทย",
            "မြန်မာ",
            "ខ្មែរ",
            "བོད་ཡིག",
            "ᠮᠣᠩᠭᠣᠯ",
            "日本語",
            "葛\u{e0100}城",
            "한국어",
            "O'Brien",
            "Jean-Luc",
            "Ada_2",
            "C++",
            "🙂",
            "👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "👋🏽",
            "🇫🇷",
        ] {
            assert!(tidy(Word::Name, name).is_ok(), "{name:?}: {:?}", tidy(Word::Name, name));
        }
    }

    #[test]
    fn what_is_written_in_different_ways_is_kept_in_one() {
        for (written, kept) in [
            (" Ada \t Lovelace\n", "Ada Lovelace"),
            ("Ada\u{a0}\u{2003}\u{3000}Lovelace", "Ada Lovelace"),
            ("Zoe\u{308}", "Zoë"),
            ("Ａｄａ", "Ada"),
            ("𝐀𝓭𝚊", "Ada"),
            ("ﬁt", "fit"),
        ] {
            assert_eq!(tidy(Word::Name, written), Ok(kept.into()), "{written:?}");
        }
    }

    #[test]
    fn what_cant_be_seen_is_no_part_of_a_name() {
        for name in [
            "a\u{7}b",
            "a\u{ad}b",
            "a\u{34f}b",
            "a\u{61c}b",
            "a\u{115f}b",
            "a\u{1160}b",
            "a\u{17b4}b",
            "a\u{180e}b",
            "a\u{200b}b",
            "a\u{200c}b",
            "a\u{200d}b",
            "a\u{200e}b",
            "a\u{200f}b",
            "a\u{202a}b",
            "a\u{202e}b",
            "a\u{2060}b",
            "a\u{2062}b",
            "a\u{2066}b",
            "a\u{2069}b",
            "a\u{2800}b",
            "a\u{3164}b",
            "a\u{fe0f}b",
            "a\u{feff}b",
            "a\u{ffa0}b",
            "a\u{fff9}b",
            "a\u{fffc}b",
            "a\u{1d159}b",
            "a\u{1d173}b",
            "a\u{e0001}b",
            "a\u{e0041}b",
            "a\u{e0100}b",
            "a\u{e000}b",
            "a\u{378}b",
            "а\u{200d}б",
            "\u{200d}日",
            "日\u{200d}",
            "日\u{200d}\u{200d}本",
            "🙂\u{fe0f}\u{fe0f}",
            "🙂\u{200d}a",
            "\u{2800}",
        ] {
            assert_eq!(tidy(Word::Name, name), Err(Refusal::Invisible(Word::Name)), "{name:?}");
        }
    }

    #[test]
    fn marks_stand_on_a_letter_and_do_not_pile_up() {
        for name in ["\u{301}a", "a \u{20e3}", &format!("x{}", "\u{321}".repeat(5))] {
            assert_eq!(tidy(Word::Name, name), Err(Refusal::Marks(Word::Name)), "{name:?}");
        }
    }

    #[test]
    fn names_that_look_alike_are_known_as_such() {
        for (one, other) in [
            ("Ada", "Аdа"), // Cyrillic
            ("ADA", "аdа"), // in another case too
            ("ben", "Вen"), // a capital that looks like another
            ("Ida", "lda"), // an l
            ("Ida", "Іda"), // Ukrainian
            ("ida", "ΙDA"), // Greek
            ("Ο2", "O2"),   // Greek
            ("paypal", "раураl"),
            ("Ann-Lee", "Ann‐Lee"), // another hyphen
            ("hello", "һеllо"),
        ] {
            assert!(alike(one, other), "{one} and {other}: {:?} {:?}", looks(one), looks(other));
        }
    }

    #[test]
    fn names_that_differ_stay_different() {
        for (one, other) in [
            ("Ian", "Lan"),
            ("Ali", "All"),
            ("Zoe", "Zoë"),
            ("Ada", "Ida"),
            ("Ольга", "Оля"),
            ("日本", "日木"),
            ("Jon", "John"),
            ("Ada 1", "Ada 2"),
            ("мама", "mama"),
            ("كريم", "كرم"),
            ("गीता", "गीत"),
        ] {
            assert!(!alike(one, other), "{one} and {other}: {:?} {:?}", looks(one), looks(other));
        }
    }
}
