//! Token numbers on the command line: `7`, `1..64`, `1,5,9..12`. Both ends of a range are meant.

/// Most tokens of one call.
const MOST: usize = 100_000;

/// A list of token numbers, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(pub Vec<u64>);

impl std::str::FromStr for Tokens {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |text: &str| text.trim().parse::<u64>().map_err(|_| format!("{text:?} is no token number"));
        let mut tokens = Vec::new();
        for part in text.split(',') {
            let (first, last) = match part.split_once("..") {
                None => (number(part)?, number(part)?),
                Some((first, last)) => (number(first)?, number(last.trim_start_matches('='))?),
            };
            if first > last {
                return Err(format!("{part}: a range goes from low to high"));
            }
            if last - first >= MOST as u64
                || tokens.len() + usize::try_from(last - first).unwrap_or(MOST) >= MOST
            {
                return Err(format!("more than {MOST} tokens"));
            }
            tokens.extend(first..=last);
        }
        Ok(Self(tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        let parse = |text: &str| text.parse::<Tokens>().map(|tokens| tokens.0);
        assert_eq!(parse("7"), Ok(vec![7]));
        assert_eq!(parse("1..3,9,5..=6"), Ok(vec![1, 2, 3, 9, 5, 6]));
        for bad in ["", "x", "3..1", "1..", "-1", "0..99999999999", "1..100000,1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
