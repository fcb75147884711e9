//! A number of attempts per window of time.

use std::time::Duration;

use crate::error::ConfigError;

/// A number of attempts per window of time. The window begins with the first attempt, and nothing
/// extends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    attempts: u32,
    window: Duration,
}

impl Budget {
    /// Allows at most `attempts`, 1 to 1 000 000, in each `window` of a second to a week.
    ///
    /// # Errors
    ///
    /// When either is out of range.
    pub fn new(attempts: u32, window: Duration) -> Result<Self, ConfigError> {
        if !(1..=1_000_000).contains(&attempts) {
            return Err(ConfigError::new("attempts", "is not 1 to 1000000"));
        }
        if !(Duration::from_secs(1)..=WEEK).contains(&window) {
            return Err(ConfigError::new("window", "is not a second to a week"));
        }
        Ok(Self { attempts, window })
    }

    /// Returns the number of attempts.
    #[must_use]
    pub const fn attempts(self) -> u32 {
        self.attempts
    }

    /// Returns the length of the window.
    #[must_use]
    pub const fn window(self) -> Duration {
        self.window
    }

    /// The budget of a network that contains several.
    pub(super) const fn times(self, factor: u32) -> Self {
        let attempts = self.attempts.saturating_mul(factor);
        Self { attempts, ..self }
    }

    pub(super) const fn of(attempts: u32) -> Self {
        let window = Duration::from_secs(15 * 60);
        Self { attempts, window }
    }
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
