//! A budget for what goes beyond the necessary: a bucket of tokens that first attempts fill, a tenth of one each.
//!
//! Isolates are many and live short: what each of them is given at first is soon the rule. So a budget starts empty, or with
//! a single token.

/// What a token is worth in drops.
const TOKEN: u32 = 1000;
/// Drops that a first attempt brings.
const DROP: u32 = 100;
/// Most drops that are saved up: bursts are as long as this.
const MOST: u32 = 10 * TOKEN;

/// A bucket of tokens.
#[derive(Debug, Clone, Default)]
pub struct Budget(u32);

impl Budget {
    /// A bucket with one token in it.
    #[must_use]
    pub fn one() -> Self {
        Self(TOKEN)
    }

    /// A first attempt was made.
    pub fn earn(&mut self) {
        self.0 = (self.0 + DROP).min(MOST);
    }

    /// Takes a token, if there is one.
    pub fn spend(&mut self) -> bool {
        let left = self.0.checked_sub(TOKEN);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}
