//! `limbeck preflight`: estimates whether distillation is likely to pay.

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
use crate::render::{Grid, counted, grouped};

/// Estimate in about a minute, from a sample, whether distillation is likely to pay
///
/// Quickly fits a teacher and both students on a sample of the training and validation rows, and compares them on held-out rows of the sample. The
/// answer is "pays", "will not pay" or "unsure", with the expected saving and the numbers behind it. Distillation pays if the RMSE of the distilled
/// student is at least 1 % (`--worth`) below the RMSE of the baseline, the student trained without the teacher. Takes the flags of `distill`; writes
/// nothing, and does not use test rows.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = MORE)]
pub(crate) struct Preflight {
    #[command(flatten)]
    flags: Flags<Piloting>,
    /// Maximum number of rows of the sample, at least 100 [default: 4000]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Print the results as JSON
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    json: bool,
    /// Show no progress, notes or warnings
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    quiet: bool,
    /// Print the most common options
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
    let mut grid = Grid::new(&["in short test runs (pilots)", "value", "meaning"], "lrl");
    let paired =
        |value: &Paired| format!("{} ± {}", short(value.mean), short(value.standard_error));
    let mut row = |name: &str, figure: String, words: &str| {
        grid.row([name.to_owned(), figure, words.to_owned()])
    };
    row(
        "RMSE teacher",
        short(report.rmse.teacher),
        "on held-out rows of the pilots",
    );
    row(
        "RMSE student alone",
        short(report.rmse.baseline),
        "the baseline: trained without the teacher",
    );
    row("RMSE student distilled", short(report.rmse.distilled), "");
    row(
        "teacher's lead",
        paired(&report.teacher_gap),
        "squared error of the student alone minus that of the teacher (± standard error)",
    );
    row(
        "distilled student's lead",
        paired(&report.saved),
        "squared error of the student alone minus that of the distilled student (± standard error)",
    );
    let missing = || "–".to_owned();
    let fit = report.teacher_fit.map_or_else(missing, |fit| {
        format!("{} / {}", short(fit.in_sample), short(fit.out_of_fold))
    });
    row(
        "teacher, seen / unseen rows",
        fit,
        "RMSE; far apart if the teacher repeats its training targets",
    );
    let share = report.closed_form.map_or_else(missing, |s| {
        format!("{} ({} to {})", short(s.value), short(s.low), short(s.high))
    });
    row(
        "closed-form teacher share",
        share,
        "best share of teacher labels in the loss (0: targets only, 1: teacher only), with 95 % interval",
    );
    let curve = &report.learning_curve;
    row(
        "student alone, half / all rows",
        format!("{} / {}", short(curve.half), short(curve.all)),
        "RMSE",
    );
    row(
        "slope",
        short(curve.slope),
        "of the learning curve of the student alone: 0 is flat, -1 halves the squared error when the rows double",
    );
    let noise = report.noise.map_or_else(missing, |n| {
        format!("{} / {}", short(n.gamma), short(n.nearest))
    });
    row(
        "noise floor",
        noise,
        "noise of the target as RMSE, by the Gamma test / by nearest rows",
    );
    let mut text = grid.render(style);
    text.push_str(&style.dim(&format!(
        "{} of {} training and validation rows, {} of {}, {} in all; errors in the unit of `{}`",
        grouped(rows.sampled),
        grouped(rows.available),
        if rows.pilots == 1 {
            "one pilot".to_owned()
        } else {
            format!("{} pilots", rows.pilots)
        },
        counted(rows.train, "training row"),
        counted(rows.held_out, "held-out row"),
        report.target
    )));
    let answer = match report.verdict.kind {
        Answer::Pays => "Distillation is likely to pay",
        Answer::WillNotPay => "Distillation will probably not pay",
        Answer::Unsure => "Unsure whether distillation will pay",
    };
    let Share { value, low, high } = report.verdict.saving;
    text.push_str(&format!(
        "\n\n{}: expected to save {:.1} % of the baseline's RMSE (95 % interval {:.1} to {:.1} %); the chance of at least {} % is {:.0} %.\n",
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
