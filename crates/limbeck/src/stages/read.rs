//! The table is read, checked and split.

use std::path::Path;

use limbeck_data::{DataOptions, Dataset};

use crate::error::{Error, Result};
use crate::session::{Event, Session};

pub(crate) fn read(
    table: &Path,
    options: &DataOptions,
    seed: u64,
    session: &Session<'_>,
) -> Result<Dataset> {
    session.begin("read");
    let data = Dataset::load(table, options, seed)?;
    check(&data)?;
    session.tell(&Event::Data(&data.summary));
    Ok(data)
}

/// Refuses targets that cannot be computed with.
///
/// # Errors
///
/// [`Error::Recipe`] with the first row.
pub(crate) fn check(data: &Dataset) -> Result<()> {
    // Squares of such targets are no numbers of double precision.
    if let Some(at) = data.target().iter().position(|y| y.abs() > LARGEST) {
        let message = format!(
            "row {} of `{}` has {:e}, whose square is too large to compute with; give the target in a larger unit (at most {LARGEST:e})",
            data.rows[at] + 1,
            data.spec().name,
            data.target()[at]
        );
        return Err(Error::Recipe {
            place: "data.target".into(),
            message,
        });
    }
    Ok(())
}

/// Targets beyond this are refused.
const LARGEST: f64 = 1e30;
