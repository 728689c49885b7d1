//! Reads, checks and splits the table.

use std::path::Path;

use limbeck_data::{DataOptions, Dataset};

use crate::error::{Error, Result};
use crate::session::{Event, Session};

pub(crate) fn read(
    table: &Path,
    options: &DataOptions,
    networks: (&[String], usize),
    seed: u64,
    session: &Session<'_>,
) -> Result<Dataset> {
    session.begin("read");
    let data = Dataset::load_joint(table, options, networks, seed)?;
    check(&data)?;
    session.tell(&Event::Data(&data.summary));
    Ok(data)
}

/// Refuses targets whose squares are too large to compute with.
///
/// # Errors
///
/// [`Error::Recipe`], which names the first such row.
pub(crate) fn check(data: &Dataset) -> Result<()> {
    // The square of a larger number may overflow a double-precision number.
    for (spec, target) in data.targets.specs.iter().zip(&data.targets.values) {
        if let Some(at) = target.iter().position(|y| y.abs() > LARGEST) {
            let message = format!(
                "row {} of `{}` has {:e}, whose square is too large to compute with; give the target in a larger unit, so that no value is larger than {LARGEST:e}",
                data.rows[at] + 1,
                spec.name,
                target[at]
            );
            return Err(Error::Recipe {
                place: "data.target".into(),
                message,
            });
        }
    }
    Ok(())
}

/// Largest magnitude of a target that is accepted.
const LARGEST: f64 = 1e30;
