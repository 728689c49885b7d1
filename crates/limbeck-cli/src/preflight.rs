//! `limbeck preflight`: will it pay?

use std::process::ExitCode;

use clap::{ArgAction, Args};
use limbeck::PreflightOptions;
use limbeck::preflight::{Answer, Paired, PreflightReport, Share};
use limbeck_distill::proof::short;

use crate::INTERRUPTED;
use crate::distill::{MORE, watched};
use crate::error::Result;
use crate::flags::{Flags, Piloting};
use crate::output::{Style, print};
use crate::render::{Grid, grouped};

/// Say in a minute, from a sample, whether distillation is likely to pay
///
/// Fits a teacher and both students quickly on a sample of the training rows and looks at rows held out of it: pays, will not pay or
/// unsure, with what it is expected to save and the figures behind it. It pays if the distilled student's RMSE is at least 1 % below the
/// lone one's (`--worth`). Takes the flags of `distill`; writes nothing and looks at no test row.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = MORE)]
pub(crate) struct Preflight {
    #[command(flatten)]
    flags: Flags<Piloting>,
    /// Maximum number of rows of the sample, at least 100 [default: 4000]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Print the figures as JSON
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    json: bool,
    /// No progress, notes or warnings
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    quiet: bool,
    /// Print the options that people need
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    /// Print all options by group
    #[arg(long, action = ArgAction::HelpLong)]
    help_all: Option<bool>,
}

impl Preflight {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let recipe = self.flags.recipe()?;
        let defaults = PreflightOptions::default();
        let options = PreflightOptions {
            rows: self.rows.unwrap_or(defaults.rows),
        };
        let Some(report) = watched(self.quiet, |progress| {
            Ok(limbeck::preflight(&recipe, &options, progress)?)
        })?
        else {
            return Ok(INTERRUPTED.into());
        };
        if self.json {
            let mut json = serde_json::to_string_pretty(&report)
                .map_err(|error| crate::error::Error::Message(error.to_string()))?;
            json.push('\n');
            print(&json)?;
        } else {
            print(&render(&report, Style::stdout()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn render(report: &PreflightReport, style: Style) -> String {
    let rows = &report.rows;
    let mut grid = Grid::new(&["pilot", "figure", "in words"], "lrl");
    let paired =
        |value: &Paired| format!("{} ± {}", short(value.mean), short(value.standard_error));
    let mut row = |name: &str, figure: String, words: &str| {
        grid.row([name.to_owned(), figure, words.to_owned()])
    };
    row(
        "RMSE teacher",
        short(report.rmse.teacher),
        "on rows that the pilots held out",
    );
    row("RMSE student alone", short(report.rmse.alone), "");
    row("RMSE student distilled", short(report.rmse.distilled), "");
    row(
        "teacher's lead",
        paired(&report.teacher_gap),
        "squared error saved against the lone student",
    );
    row(
        "distilled student's lead",
        paired(&report.saved),
        "the same, of the distilled student",
    );
    let missing = || "–".to_owned();
    let fit = report.teacher_fit.map_or_else(missing, |fit| {
        format!("{} / {}", short(fit.in_sample), short(fit.out_of_fold))
    });
    row(
        "teacher, seen / unseen rows",
        fit,
        "RMSE; far apart where it repeats its training labels",
    );
    let share = report.closed_form.map_or_else(missing, |s| {
        format!("{} ({} to {})", short(s.value), short(s.low), short(s.high))
    });
    row(
        "closed-form teacher share",
        share,
        "0 targets alone, 1 teacher alone, with 95 % interval",
    );
    let curve = &report.learning_curve;
    row(
        "lone student, half / all rows",
        format!("{} / {}", short(curve.half), short(curve.all)),
        "RMSE",
    );
    row(
        "slope",
        short(curve.slope),
        "of its squared error with rows: 0 is flat, -1 halves it with twice as many",
    );
    let noise = report.noise.map_or_else(missing, |n| {
        format!("{} / {}", short(n.gamma), short(n.nearest))
    });
    row(
        "noise floor",
        noise,
        "as RMSE, by the Gamma test / by nearest rows",
    );
    let mut text = grid.render(style);
    text.push_str(&style.dim(&format!(
        "{} of {} training and validation rows, {} of {} training rows, {} held-out rows in all; errors in the unit of `{}`",
        grouped(rows.sampled),
        grouped(rows.available),
        if rows.pilots == 1 { "one pilot".to_owned() } else { format!("{} pilots", rows.pilots) },
        grouped(rows.train),
        grouped(rows.held_out),
        report.target
    )));
    let answer = match report.verdict.kind {
        Answer::Pays => "Distillation is likely to pay",
        Answer::WillNotPay => "Distillation will probably not pay",
        Answer::Unsure => "Unsure whether distillation will pay",
    };
    let Share { value, low, high } = report.verdict.saving;
    text.push_str(&format!(
        "\n\n{}: expected to save {:.1} % of the lone student's RMSE ({:.1} to {:.1} %); the chance of at least {} % is {:.0} %.\n",
        style.bold(answer),
        100.0 * value,
        100.0 * low,
        100.0 * high,
        100.0 * report.verdict.worth,
        100.0 * report.verdict.chance
    ));
    report
        .verdict
        .reasons
        .iter()
        .for_each(|reason| text.push_str(&format!("- {reason}\n")));
    report
        .notes
        .iter()
        .for_each(|note| text.push_str(&style.dim(&format!("note: {note}\n"))));
    text
}
