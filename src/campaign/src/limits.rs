//! How large a campaign may be. Beyond these a document is refused, with the number.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Settings in one set: a session carries no more in one job.
pub const SETTINGS: usize = 96;
pub const VARIANTS: usize = 32;
/// Devices named in the document itself; more come as a file.
pub const LISTED_DEVICES: usize = 10_000;
/// The longest device name that a row can be kept under.
pub const DEVICE_NAME_OCTETS: usize = 128;
pub const GROUP_OCTETS: usize = 64;
pub const FILE_NAME_OCTETS: usize = 4_096;
pub const PURPOSE_OCTETS: usize = 1_024;
/// The reason of a `skip`.
pub const REASON_OCTETS: usize = 256;
/// A question must fit a small screen.
pub const QUESTION_OCTETS: usize = 256;
pub const EXPRESSION_OCTETS: usize = 4_096;
/// An address before its templates are filled in.
pub const URI_TEMPLATE_OCTETS: usize = 2_048;
/// A value, as written and as rendered.
pub const VALUE_OCTETS: usize = 64 * 1024;
pub const ATTEMPTS: RangeInclusive<u32> = 1..=20;
pub const ANSWER_WITHIN: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(7 * 24);
pub const CONFIRM_WAIT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(30);
/// How long a device may take for work that it accepted; 0 where nobody waits for its word.
pub const EXEC_WITHIN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(7 * 24);
pub const KEEP_RESULTS: RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_hours(400 * 24);
/// The longest pause between two notifications of a device, jitter aside.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(6);
/// Windows of one campaign.
pub const WINDOWS: usize = 16;
/// Stretches of days left out.
pub const BLACKOUTS: usize = 32;
/// Attributes of `pace.per`.
pub const PACED_BY: usize = 4;
pub const DOUBLE_EVERY: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(24);
/// Over how long first notifications are spread.
pub const SPREAD: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
/// How long a device is left alone after it was taken in, and the time in which its runs are counted.
pub const QUIET: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(31 * 24);
/// Runs of one device in that time.
pub const RUNS: RangeInclusive<u32> = 1..=100;
