//! TensorBoard's event files of a run.
//!
//! ```text
//! tensorboard/                    text (recipe, verdict), histograms of residuals, hyperparameters, test metrics
//! tensorboard/search-baseline-…/  one training: its curve with the names of [`curves::fields`], histograms of its weights by layer
//! tensorboard/refit-distilled-…/  …
//! ```
//!
//! A file is a list of records, `length, crc(length), bytes, crc(bytes)`, with masked CRC-32C; each record holds one `Event` message. Formats:
//! TensorFlow's `record_writer.h`, `event.proto` and `summary.proto`, and TensorBoard's `hparams` plugin.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use limbeck_data::{metrics, write};
use limbeck_distill::search::{Training, Trial};
use limbeck_export::proto::Message;

use crate::error::{Error, Result};
use crate::report::{Answers, Report};
use crate::run::curves::{self, Cell, Field, Schedules};
use crate::run::files::TENSORBOARD;

/// Name of each event file; TensorBoard recognizes event files by `tfevents` in their name.
pub(crate) const FILE: &str = "events.out.tfevents.limbeck";
/// Number of buckets of a histogram.
const BUCKETS: usize = 40;

/// Writes all event files of a run. `weights[training][layer]` are the final weights of each training.
pub(crate) fn write(
    folder: &Path,
    trainings: &[(Training, &Trial)],
    weights: &[Vec<Vec<f32>>],
    report: &Report,
    (recipe, schedules): (&str, &Schedules),
    answers: &Answers,
) -> Result<()> {
    whole_run(report, recipe, answers).save(folder)?;
    for ((training, trial), weights) in trainings.iter().zip(weights) {
        let points = trial.curve.iter().fold(Events::begun(), |events, point| {
            events.point(point.step, &curves::fields(schedules, training, point))
        });
        points
            .weights(trial.stop, weights)
            .save(&folder.join(training.to_string()))?;
    }
    Ok(())
}

/// The events that describe the run as a whole, written at its end.
fn whole_run(report: &Report, recipe: &str, answers: &Answers) -> Events {
    let closed = report.proof.gap_closed.value.unwrap_or(f64::NAN);
    Events::begun()
        .text("recipe", &format!("```toml\n{recipe}\n```"))
        .text("verdict", &report.proof.verdict.sentence)
        .hyperparameters(report)
        .residuals(answers)
        .scalar("test/rmse_teacher", 0, report.test.teacher.rmse)
        .scalar("test/rmse_baseline", 0, report.test.baseline.rmse)
        .scalar("test/rmse_distilled", 0, report.test.distilled.rmse)
        .scalar("test/rmse_shipped", 0, report.test.shipped.rmse)
        .scalar("test/gap_closed", 0, closed)
}

/// The paths of all event files of a run, relative to its folder, sorted.
pub(crate) fn files(run: &Path) -> Vec<String> {
    let folder = run.join(TENSORBOARD);
    let name = |folder: PathBuf| {
        Some(
            folder
                .join(FILE)
                .strip_prefix(run)
                .ok()?
                .to_string_lossy()
                .into_owned(),
        )
    };
    let inner = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut found: Vec<String> = std::iter::once(folder.clone())
        .chain(inner)
        .filter(|folder| folder.join(FILE).exists())
        .filter_map(name)
        .collect();
    found.sort();
    found
}

/// Records of one event file.
#[derive(Debug)]
pub(crate) struct Events {
    bytes: Vec<u8>,
    now: f64,
}

/// No records, not even the one with which every file begins: for records that are appended to an existing file.
impl Default for Events {
    fn default() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64());
        Self {
            bytes: Vec::new(),
            now,
        }
    }
}

impl Events {
    /// The start of a new event file. It has only the record with which every file begins: the version of the format.
    pub(crate) fn begun() -> Self {
        let mut events = Self::default();
        let time = Message::default().double(1, events.now);
        events.record(&time.text(3, "brain.Event:2").into_bytes());
        events
    }

    /// The records, as bytes of an event file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds one point of a training curve: a record for each field that changes during a training.
    pub(crate) fn point(self, step: usize, fields: &[Field]) -> Self {
        fields
            .iter()
            .filter(|field| field.is_curve)
            .fold(self, |events, field| match &field.cell {
                Cell::Number(Some(value)) => events.scalar(field.name, step, *value),
                Cell::Numbers(values) => {
                    values
                        .iter()
                        .enumerate()
                        .fold(events, |events, (layer, value)| {
                            events.scalar(&format!("{}/{}", field.name, layer + 1), step, *value)
                        })
                }
                Cell::Text(_) | Cell::Count(_) | Cell::Number(None) => events,
            })
    }

    /// Adds a histogram of the weights of each layer.
    fn weights(self, step: usize, layers: &[Vec<f32>]) -> Self {
        layers
            .iter()
            .enumerate()
            .fold(self, |events, (layer, weights)| {
                let weights: Vec<f64> = weights.iter().copied().map(f64::from).collect();
                match histogram(&weights) {
                    Some(histogram) => events.value(
                        step,
                        Message::default()
                            .text(1, &format!("weights/{}", layer + 1))
                            .message(5, histogram),
                    ),
                    None => events,
                }
            })
    }

    fn record(&mut self, data: &[u8]) {
        let length = (data.len() as u64).to_le_bytes();
        self.bytes.extend(length);
        self.bytes.extend(masked(crc32c(&length)).to_le_bytes());
        self.bytes.extend(data);
        self.bytes.extend(masked(crc32c(data)).to_le_bytes());
    }

    fn value(mut self, step: usize, value: Message) -> Self {
        let event = Message::default()
            .double(1, self.now)
            .int(2, step as i64)
            .message(5, Message::default().message(1, value));
        self.record(&event.into_bytes());
        self
    }

    fn scalar(self, tag: &str, step: usize, value: f64) -> Self {
        self.value(step, Message::default().text(1, tag).float(2, value as f32))
    }

    fn text(self, tag: &str, text: &str) -> Self {
        const STRING: i64 = 7;
        let shape = Message::default().message(2, Message::default().int(1, 1));
        let tensor = Message::default()
            .int(1, STRING)
            .message(2, shape)
            .text(8, text);
        let plugin = Message::default().message(1, Message::default().text(1, "text"));
        self.value(
            0,
            Message::default()
                .text(1, tag)
                .message(9, plugin)
                .message(8, tensor),
        )
    }

    fn hyperparameters(self, report: &Report) -> Self {
        let number = |value: f64| Message::default().double(2, value);
        let word = |value: &str| Message::default().text(3, value);
        let shipped = &report.shipped.setting;
        let all = [
            ("alpha", number(shipped.alpha.unwrap_or(0.0))),
            ("steps", number(shipped.steps as f64)),
            ("parameters", number(report.student.parameters as f64)),
            ("seed", number(report.seed as f64)),
            ("teacher", word(&report.teacher.kind)),
            ("student", word(report.student.kind.name())),
        ];
        let entries = all
            .into_iter()
            .map(|(key, value)| Message::default().text(1, key).message(2, value));
        let start = Message::default().messages(1, entries).double(5, self.now);
        let content = Message::default().int(1, 0).message(3, start);
        let plugin = Message::default()
            .message(1, Message::default().text(1, "hparams").message(2, content));
        self.value(
            0,
            Message::default()
                .text(1, "_hparams_/session_start_info")
                .message(9, plugin),
        )
    }

    fn residuals(self, answers: &Answers) -> Self {
        let sides = [
            ("teacher", &answers.teacher),
            ("baseline", &answers.baseline),
            ("distilled", &answers.distilled),
            ("shipped", &answers.shipped),
        ];
        sides.into_iter().fold(self, |events, (name, pred)| {
            let residuals: Vec<f64> = pred
                .iter()
                .zip(&answers.target)
                .map(|(p, y)| p - y)
                .filter(|r| r.is_finite())
                .collect();
            match histogram(&residuals) {
                Some(histogram) => events.value(
                    0,
                    Message::default()
                        .text(1, &format!("residuals/{name}"))
                        .message(5, histogram),
                ),
                None => events,
            }
        })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(Error::file("create the folder", folder))?;
        Ok(write::atomic(folder.join(FILE), |file| {
            file.write_all(&self.bytes)
        })?)
    }
}

/// A histogram message of the numbers, with buckets of equal width over their range; `None` if there are no numbers.
fn histogram(values: &[f64]) -> Option<Message> {
    let (least, most) = metrics::range(values);
    if values.is_empty() {
        return None;
    }
    let width = (most - least).max(f64::MIN_POSITIVE) / BUCKETS as f64;
    let mut counts = vec![0.0; BUCKETS];
    values
        .iter()
        .for_each(|v| counts[(((v - least) / width) as usize).min(BUCKETS - 1)] += 1.0);
    let packed = |values: &mut dyn Iterator<Item = f64>| {
        values.flat_map(f64::to_le_bytes).collect::<Vec<u8>>()
    };
    let limits = packed(&mut (1..=BUCKETS).map(|k| {
        if k == BUCKETS {
            most
        } else {
            least + k as f64 * width
        }
    }));
    let message = Message::default()
        .double(1, least)
        .double(2, most)
        .double(3, values.len() as f64);
    let message = message
        .double(4, values.iter().sum())
        .double(5, values.iter().map(|v| v * v).sum());
    Some(
        message
            .bytes(6, &limits)
            .bytes(7, &packed(&mut counts.into_iter())),
    )
}

/// CRC-32C (Castagnoli), bit by bit: event files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| (crc >> 1) ^ ((crc & 1) * 0x82f6_3b78);
    let byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), shift);
    !bytes.iter().fold(!0, byte)
}

/// Masks a checksum by a rotation and a constant, as the format requires. Without a mask, a checksum over data that contains checksums would be weak.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_matches_the_published_vector() {
        // RFC 3720, appendix B.4: 32 bytes of zeros; and the usual check value.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn records_are_framed() {
        let events = Events::begun().scalar("a", 3, 0.5);
        let mut at = 0;
        let mut records = Vec::new();
        while at < events.bytes.len() {
            let length = u64::from_le_bytes(events.bytes[at..at + 8].try_into().unwrap()) as usize;
            let data = &events.bytes[at + 12..at + 12 + length];
            assert_eq!(
                events.bytes[at + 8..at + 12],
                masked(crc32c(&events.bytes[at..at + 8])).to_le_bytes()
            );
            assert_eq!(
                events.bytes[at + 12 + length..at + 16 + length],
                masked(crc32c(data)).to_le_bytes()
            );
            records.push(data.to_vec());
            at += 16 + length;
        }
        assert_eq!((records.len(), at), (2, events.bytes.len()));
        assert!(records[0].ends_with(b"brain.Event:2"));
        // step 3; a summary with tag `a` and 0.5.
        assert!(
            records[1].ends_with(&[16, 3, 42, 10, 10, 8, 10, 1, b'a', 21, 0, 0, 0, 63]),
            "{:?}",
            records[1]
        );
    }

    #[test]
    fn histograms_count_every_number() {
        assert!(histogram(&[]).is_none());
        let found = histogram(&[1.0, 1.0, 2.0]).unwrap().into_bytes();
        let counts = &found[found.len() - 8 * BUCKETS..];
        let count = |k: usize| f64::from_le_bytes(counts[8 * k..8 * k + 8].try_into().unwrap());
        assert_eq!((count(0), count(BUCKETS - 1)), (2.0, 1.0));
    }
}
