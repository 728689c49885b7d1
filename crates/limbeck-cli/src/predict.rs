//! `limbeck predict`: reads raw rows and writes them with their predictions.

use std::path::PathBuf;

use clap::Args;
use limbeck_data::{Column, ColumnKind, ReadOptions, Table};

use crate::error::{Error, Result};
use crate::output::tell;
use crate::source::{Destination, Source, TableRows, is_parquet};

/// Predict the rows of a table
///
/// Reads raw columns in their own units and writes the table again with a column of predictions, in the target's unit. Other columns are copied;
/// the target is not needed. Missing cells and unseen categories are allowed.
#[derive(Args, Debug)]
pub(crate) struct Predict {
    /// Run directory, or a student's .limbeck file
    #[arg(value_name = "RUN|STUDENT")]
    student: PathBuf,
    /// CSV or Parquet file with the columns the student was trained on
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    /// Output: a new .csv or .parquet file, or - for CSV on standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Name of the new column; with several targets, the prefix of their columns
    #[arg(long, value_name = "NAME", default_value = "prediction")]
    column: String,
    /// Print only errors
    #[arg(long)]
    quiet: bool,
}

impl Predict {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let target = Destination::parse(&self.out)?;
        let sources = Source::open(&self.student)?;
        let targets: Vec<&str> = sources.iter().flat_map(Source::targets).collect();
        let several = targets.len() > 1;
        let mut new: Vec<Column> = Vec::new();
        let mut table = None;
        for source in &sources {
            let TableRows { features, all, .. } = source.read(&self.table, &[])?;
            for (target, values) in source.targets().iter().zip(source.predict(&features)?) {
                let name = match several {
                    true => format!("{}_{target}", self.column),
                    false => self.column.clone(),
                };
                if all.column(&name).is_some() {
                    let message = format!(
                        "has a column `{name}` already; give the new one another name with --column"
                    );
                    return Err(Error::path(&self.table, message));
                }
                new.push(Column::number(&name, values));
            }
            table.get_or_insert(all);
        }
        let Some(table) = table else {
            return Err(Error::path(&self.student, "holds no run"));
        };
        let mut table = self.as_written(table, &target)?;
        table.columns.extend(new);
        target.write(&table)?;
        if let (false, Destination::Csv(path) | Destination::Parquet(path)) = (self.quiet, &target)
        {
            tell(&format!(
                "{} predictions of `{}` in {}",
                table.rows,
                targets.join("`, `"),
                path.display()
            ));
        }
        Ok(())
    }

    /// The input as it is in its file: from text to text, every cell is kept as it is, so that `007` stays `007`.
    fn as_written(&self, all: Table, target: &Destination) -> Result<Table> {
        if matches!(target, Destination::Parquet(_)) || is_parquet(&self.table) {
            return Ok(all);
        }
        let as_text = |name| (name, ColumnKind::Text);
        let types = all.names().into_iter().map(as_text).collect();
        Ok(Table::read(
            &self.table,
            &ReadOptions {
                types,
                ..ReadOptions::default()
            },
        )?)
    }
}
