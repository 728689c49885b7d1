//! `report.html`: a run as one self-contained page.
//!
//! The tables and sentences are written here, so that the page can be read without scripts. Chart.js draws the charts, from data at the end of the
//! page. Chart.js 4 (MIT license, 209 kB) is part of the page, so that it works offline.

mod by_series;
mod coverage;
mod slices;
mod timeline;

use limbeck_data::metrics::Measure;
use limbeck_data::{Audit, DataSummary, Features, Timeline};
use limbeck_distill::proof::{percent, short};
use limbeck_distill::search::Trial;
use serde_json::{Value, json};

use crate::format::Format;
use crate::report::{Answers, Fold, ModelRow, Outer, Report, Role, ShippedKind, verdict};
use slices::{Ranked, Slice, mean};

const TEMPLATE: &str = include_str!("page.html");
/// The style sheet of all pages.
pub(crate) const STYLE: &str = include_str!("page.css");
/// The JavaScript that all pages run before their own.
pub(crate) const THEME: &str = include_str!("theme.js");
const SCRIPT: &str = include_str!("page.js");
/// The library Chart.js.
pub(crate) const CHARTS: &str = include_str!("chart.umd.min.js");

/// Maximum number of points that a scatter plot shows for each model.
const POINTS: usize = 1500;
/// Maximum number of slices (groups of rows with similar values of one column) that a table lists.
const LISTED: usize = 8;
/// Maximum number of feature columns for which a chart shows the error by the column's values.
const DRAWN: usize = 3;
/// The text under the headline of a run that was stopped.
const STOPPED: &str = "This run was stopped while its students were trained: they trained less than the recipe says. A complete run of the recipe may do better.";
/// Number of groups into which charts divide the test rows, from small to large targets. All groups have about the same number of rows.
const PARTS: usize = 10;

/// Inputs of the page.
pub(crate) struct Source<'a> {
    /// All results.
    pub(crate) report: &'a Report,
    /// Text of the recipe as it is stored.
    pub(crate) recipe: &'a str,
    /// Features of the test rows.
    pub(crate) features: &'a Features,
    /// Weights of the test rows.
    pub(crate) weight: &'a [f64],
    /// Series and time of each row of the data set; `None` unless rows form series.
    pub(crate) timeline: Option<&'a Timeline>,
    /// The test rows, as positions in the data set.
    pub(crate) rows: &'a [usize],
    /// Targets and predictions on test rows, in the target's unit.
    pub(crate) answers: &'a Answers,
    /// The trials that were chosen on validation rows: first that of the baseline, then that of the distilled student. `None` if there is no such
    /// trial.
    pub(crate) chosen: [Option<&'a Trial>; 2],
    /// The run's folder, as the user named it.
    pub(crate) run: &'a str,
    /// The formats to which the student can be exported.
    pub(crate) formats: &'a [Format],
}

/// The page as HTML.
pub(crate) fn page(source: &Source<'_>) -> String {
    let answers = source.answers;
    let slices = slices::slices(source.features);
    let measure = source.report.measure();
    let weight = source.weight;
    let rank = |measure: Measure, pred: &[f64], truth: &[f64]| {
        slices::rank(&slices, measure, &measure.rows(pred, truth), weight)
    };
    let wrong_teacher = rank(measure, &answers.teacher, &answers.target);
    let apart = rank(Measure::Rmse, &answers.shipped, &answers.teacher);
    let wrong = rank(measure, &answers.shipped, &answers.target);
    let mut columns: Vec<&str> = Vec::new();
    for ranked in &wrong {
        if !columns.contains(&ranked.slice.column.as_str()) && columns.len() < DRAWN {
            columns.push(&ranked.slice.column);
        }
    }
    let over_time = timeline::charts(source.timeline, source.rows, answers, &ahead(source.report));
    let data = json!({
        "timelines": over_time.data,
        "unit": source.report.target,
        "measure": measure.name(),
        "scatter": scatter(answers),
        "parts": parts(answers, measure, weight),
        "columns": columns.iter().map(|column| by_column(column, &slices, answers, measure, weight)).collect::<Vec<_>>(),
        "curves": curves(source.chosen),
        "sizes": sizes(source.report),
    });
    let report = source.report;
    // The first sentence of the verdict is the headline; the others follow under it.
    let sentence = &report.proof.verdict.sentence;
    let (first, rest) = sentence
        .split_once(". ")
        .map_or((sentence.as_str(), ""), |(first, rest)| (first, rest));
    let parts: [(&str, String); 24] = [
        (
            "TITLE",
            escape(&format!("{}: {}", report.target, report.data.source)),
        ),
        ("STYLE", STYLE.into()),
        (
            "KIND",
            if verdict::is_alarming(report.quantile, &report.test) {
                "hurts".into()
            } else {
                headline_kind(report).into()
            },
        ),
        ("ASKED", asked(report)),
        ("SENTENCE", prose(first)),
        (
            "MORE",
            [rest, if report.interrupted { STOPPED } else { "" }]
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(|text| format!("<p>{}</p>", prose(text)))
                .collect(),
        ),
        ("TILES", tiles(report)),
        ("INTERVAL", interval(report)),
        ("CHECKS", checks(report)),
        ("MODELS", models(report)),
        ("MEASURES", measures(report)),
        ("MEASURE", measure.name().into()),
        ("SHIPPED", shipped(report)),
        (
            "OUTER",
            report
                .outer
                .as_ref()
                .map_or_else(String::new, |outer| other_splits(outer, measure.name()))
                + &coverage::coverage(report),
        ),
        (
            "DISAGREE",
            ranked(&apart, slices.len(), "RMSE to the teacher"),
        ),
        (
            "TEACHER",
            ranked(&wrong_teacher, slices.len(), measure.name()),
        ),
        (
            "COLUMNS",
            columns
                .iter()
                .enumerate()
                .map(|(at, column)| {
                    figure(
                        &format!("column-{at}"),
                        &format!("{} by {column}", measure.name()),
                    )
                })
                .collect(),
        ),
        ("TIMELINES", over_time.html),
        (
            "SERIES",
            by_series::table(report, source.timeline, source.rows, (answers, weight)),
        ),
        ("LAYERS", layers(source.chosen)),
        ("RECIPE", escape(source.recipe)),
        ("USE", usage(source.run, source.formats)),
        // Escape `<`, so that no text can end the script element.
        ("DATA", data.to_string().replace('<', "\\u003c")),
        ("SCRIPT", [THEME, SCRIPT].concat()),
    ];
    // The library is inserted last, so that nothing in it is taken for a placeholder.
    let page = parts
        .iter()
        .fold(TEMPLATE.to_owned(), |page, (name, text)| {
            page.replacen(&format!("{{{{{name}}}}}"), text, 1)
        });
    page.replacen("{{CHARTS}}", CHARTS, 1)
}

/// The chart of the distances of hidden layers, if the training curves have such distances.
fn layers(chosen: [Option<&Trial>; 2]) -> String {
    let mut points = chosen.iter().flatten().flat_map(|trial| &trial.curve);
    let title = "Distance of hidden layers to the teacher's features";
    match points.any(|point| !point.terms.of("layers").is_empty()) {
        true => figure("layers", title),
        false => String::new(),
    }
}

/// Escapes a text for HTML; the result also contains no placeholder of the page's template.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace("{{", "{&#123;")
}

/// Escapes a sentence, and shows what it quotes in backticks as code. A backtick without a second one stays as it is.
fn prose(text: &str) -> String {
    let text = escape(text);
    let parts: Vec<&str> = text.split('`').collect();
    let last = parts.len() - 1;
    let part = |(at, part): (usize, &&str)| match at {
        _ if at % 2 == 0 => (*part).to_owned(),
        _ if at == last => format!("`{part}"),
        _ => format!("<code>{part}</code>"),
    };
    parts.iter().enumerate().map(part).collect()
}

/// CSS class of the headline, which sets its color: it depends on what the shipped file gains.
fn headline_kind(report: &Report) -> &'static str {
    match &report.file {
        Some(file) if file.gain.worth_having => "helps",
        Some(file) if file.gain.error_saved.is_below() => "hurts",
        _ => "no gain",
    }
}

/// A sentence on the series that the rows form; empty if they form none.
fn series(data: &DataSummary) -> String {
    let series = data.series.as_ref();
    series.map_or_else(String::new, |series| {
        format!(" {}.", prose(&series.to_string()))
    })
}

/// What is predicted of later rows, for a chart over time; empty if the target belongs to its own row.
fn ahead(report: &Report) -> String {
    let series = report.data.series.as_ref();
    let ahead = series.and_then(|series| series.ahead());
    ahead.map_or_else(String::new, |ahead| format!(": {ahead}"))
}

/// The results of the leak audit as items of a list; empty if rows form no series.
fn audit(data: &DataSummary) -> String {
    let tests = data.series.iter().flat_map(|series| &series.audit);
    let item = |audit: &Audit| {
        let mark = if audit.passed {
            "passed"
        } else {
            "<b>FAILED</b>"
        };
        format!(
            "<li>Leak audit, {mark}: {} <span class=\"small\">({})</span></li>",
            escape(&audit.test),
            escape(&audit.found)
        )
    };
    tests.map(item).collect()
}

fn asked(report: &Report) -> String {
    let data = &report.data;
    let what = match report.quantile {
        Some(quantile) => format!(
            "the {quantile}-quantile of <b>{}</b>",
            escape(&report.target)
        ),
        None => format!("<b>{}</b>", escape(&report.target)),
    };
    let periods = data.periods.as_ref();
    let periods = periods.map_or_else(String::new, |periods| {
        format!(" {}.", prose(&periods.to_string()))
    });
    let ahead = data.series.as_ref().and_then(|series| series.ahead());
    let what = ahead.map_or(what.clone(), |ahead| format!("{what} ({ahead})"));
    let periods = format!("{periods}{}", series(data));
    format!(
        "A student of {} parameters that predicts {what} from {} columns of <b>{}</b>. Fitted on {} rows, chosen on {}, tested on {} held-out rows.{periods}",
        grouped(report.student.parameters),
        data.features.len(),
        escape(&data.source),
        grouped(data.train),
        grouped(data.valid),
        grouped(data.test)
    )
}

/// The error that distillation saves and its interval, drawn as SVG on a scale in the target's unit.
fn interval(report: &Report) -> String {
    let saved = &report.proof.verdict.error_saved;
    let measure = report.measure().name();
    let (Some(low), Some(high)) = (saved.low, saved.high) else {
        return format!(
            "<p class=\"small\">{measure} saved by distillation: {}, without an interval.</p>",
            short(saved.value)
        );
    };
    let reach = [low, high, saved.value]
        .into_iter()
        .fold(0.0f64, |most, value| most.max(value.abs()))
        .max(f64::MIN_POSITIVE);
    let tick = tick(reach);
    let end = tick * (reach / tick).ceil();
    let at = |value: f64| 50.0 + 46.0 * value / end;
    let ticks = [-end, -end / 2.0, 0.0, end / 2.0, end];
    let lines: String = ticks
        .map(|value| {
            format!(
                "<line x1=\"{0:.2}\" x2=\"{0:.2}\" y1=\"13\" y2=\"16\" class=\"tick\"/>",
                at(value)
            )
        })
        .concat();
    let labels: String = ticks
        .map(|value| {
            format!(
                "<span style=\"left:{:.2}%\">{}</span>",
                at(value),
                plain(value)
            )
        })
        .concat();
    format!(
        "<figure class=\"scale\"><figcaption>{measure} saved by distillation, in the unit of {}: {} (95 % interval {} to {}); above 0, distillation lowers the error; below 0, it raises the error</figcaption><svg class=\"interval\" \
         viewBox=\"0 0 100 16\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{measure} saved by distillation {}, 95 % interval {} to {}\"><line x1=\"50\" x2=\"50\" y1=\"0\" y2=\"13\" \
         class=\"zero\"/><line x1=\"4\" x2=\"96\" y1=\"13\" y2=\"13\" class=\"tick\"/>{lines}<line x1=\"{:.2}\" x2=\"{:.2}\" y1=\"6\" y2=\"6\" class=\"range\"/><line x1=\"{:.2}\" x2=\"{:.2}\" y1=\"1\" \
         y2=\"11\" class=\"value\"/></svg><p class=\"ticks\" aria-hidden=\"true\">{labels}</p></figure>",
        escape(&report.target),
        short(saved.value),
        short(low),
        short(high),
        short(saved.value),
        short(low),
        short(high),
        at(low),
        at(high),
        at(saved.value),
        at(saved.value)
    )
}

/// Distance between the marks of a scale that reaches to `reach`: about half of `reach`, as 1, 2 or 5 times a power of ten.
fn tick(reach: f64) -> f64 {
    let power = 10f64
        .powf((reach / 2.0).log10().floor())
        .max(f64::MIN_POSITIVE);
    let times = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|times| times * power >= reach / 2.0);
    power * times.unwrap_or(10.0)
}

/// A number on a scale, as text without trailing zeros.
fn plain(value: f64) -> String {
    let text = short(value);
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Three boxes with numbers, as HTML: error, size and time of the shipped student.
fn tiles(report: &Report) -> String {
    let (test, measured) = (&report.test, &report.measured);
    let name = report.measure().name();
    let r2 = test
        .shipped
        .r2
        .filter(|_| report.quantile.is_none())
        .map_or_else(String::new, |r2| {
            let changes = report.r2_of_changes();
            let changes =
                changes.map_or_else(String::new, |r2| format!(" (R² of changes {})", short(r2)));
            format!(", {} {}{changes}", report.r2_name(), short(r2))
        });
    let against = report.file.as_ref().filter(|file| !file.against.is_shipped);
    let beside = against.map_or_else(String::new, |file| {
        format!(
            "; best file without a teacher {}",
            short(file.against.test_error)
        )
    });
    let teacher_bytes = report.teacher.bytes.map_or_else(String::new, |bytes| {
        format!("; teacher {} bytes", grouped(bytes))
    });
    let teacher_us = measured
        .teacher_us_per_row
        .map_or_else(String::new, |us| format!("; teacher {} µs", short(us)));
    let tiles = [
        (
            "Error",
            short(test.shipped.error()),
            format!(
                "test {name}{r2}; teacher {}{beside}",
                short(test.teacher.error())
            ),
        ),
        (
            "Size",
            format!("{} bytes", grouped(report.student.bytes)),
            format!(
                "{} parameters{teacher_bytes}",
                grouped(report.student.parameters)
            ),
        ),
        (
            "Time",
            format!("{} µs", short(measured.student_us_per_row)),
            format!("per row, in a batch{teacher_us}"),
        ),
    ];
    let tile = |(title, figure, rest): &(&str, String, String)| {
        format!(
            "<div class=\"tile\"><h2>{title}</h2><p class=\"figure\">{figure}</p><p class=\"small\">{}</p></div>",
            escape(rest)
        )
    };
    format!(
        "<div class=\"tiles\">{}</div>",
        tiles.iter().map(tile).collect::<String>()
    )
}

/// The texts for the three error columns: RMSE, MAE and R², or for a quantile pinball loss, covered share and RMSE.
fn figures(row: &ModelRow) -> [String; 3] {
    match row.quantile {
        Some(quantile) => [
            short(quantile.pinball),
            format!("{:.1} %", 100.0 * quantile.covered),
            short(row.rmse),
        ],
        None => [
            short(row.rmse),
            short(row.mae),
            row.r2
                .map_or_else(|| "–".into(), |value| format!("{value:.4}")),
        ],
    }
}

/// CSS class of a row in the table of models; it sets the color of the row's dot.
fn class(role: Role) -> &'static str {
    match role {
        Role::Teacher => "teacher",
        Role::Baseline => "baseline",
        Role::Distilled => "distilled",
        Role::Shipped => "shipped",
        Role::BestBaseline => "best-baseline",
        Role::Naive => "naive",
    }
}

fn model(row: &ModelRow) -> String {
    let optional = |value: Option<f64>| value.map_or_else(|| "–".into(), short);
    let count = |value: Option<usize>| value.map_or_else(|| "–".into(), grouped);
    let cells = [
        optional(row.rmse_to_teacher),
        count(row.parameters),
        count(row.bytes),
        optional(row.us_per_row),
    ];
    let cells: String = figures(row)
        .iter()
        .chain(&cells)
        .map(|cell| format!("<td>{cell}</td>"))
        .collect();
    format!(
        "<tr><th scope=\"row\"><span class=\"dot {}\"></span>{}</th>{cells}</tr>",
        class(row.role),
        escape(&row.name)
    )
}

fn models(report: &Report) -> String {
    let header = if report.quantile.is_some() {
        ["pinball loss", "covered", "RMSE"]
    } else {
        ["RMSE", "MAE", report.r2_name()]
    };
    let header = header.into_iter().chain([
        "RMSE to the teacher",
        "parameters",
        "file bytes",
        "µs per row",
    ]);
    let header: String = header
        .map(|name| format!("<th scope=\"col\">{name}</th>"))
        .collect();
    let rows: String = report.models().iter().map(model).collect();
    let notes: String = report
        .model_notes()
        .iter()
        .map(|note| format!("<p class=\"small\">{}</p>", prose(note)))
        .collect();
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"models on test rows\"><table><thead><tr><th scope=\"col\">test rows</th>{header}</tr></thead><tbody>{rows}</tbody></table></div>{notes}"
    )
}

/// The table of further measures, as HTML; empty if there are none.
fn measures(report: &Report) -> String {
    let Some((header, rows)) = report.measure_table() else {
        return String::new();
    };
    let header: String = header
        .iter()
        .map(|name| format!("<th scope=\"col\">{name}</th>"))
        .collect();
    let row = |cells: &Vec<String>| {
        let others: String = cells[1..]
            .iter()
            .map(|cell| format!("<td>{}</td>", escape(cell)))
            .collect();
        format!(
            "<tr><th scope=\"row\">{}</th>{others}</tr>",
            escape(&cells[0])
        )
    };
    let rows: String = rows.iter().map(row).collect();
    let notes: String = report
        .measure_notes()
        .iter()
        .map(|note| format!("<p class=\"small\">{}</p>", prose(note)))
        .collect();
    format!(
        "<h3>Further measures</h3><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"further measures on test rows\"><table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>{notes}"
    )
}

fn shipped(report: &Report) -> String {
    let side = match report.shipped.kind {
        ShippedKind::Baseline => "the one trained without the teacher",
        ShippedKind::Distilled => "the distilled one",
    };
    let setting = match report.shipped.setting.alpha {
        Some(alpha) => format!(
            ", whose training loss compares it with the teacher ({} %) and with the targets ({} %)",
            percent(alpha),
            percent(1.0 - alpha)
        ),
        None => String::new(),
    };
    let notes: String = report
        .notes
        .iter()
        .chain(&report.teacher.notes)
        .map(|note| format!("<li>{}</li>", prose(note)))
        .collect();
    let notes = if notes.is_empty() {
        notes
    } else {
        format!("<ul class=\"notes\">{notes}</ul>")
    };
    format!(
        "<p>The shipped student is {side}{setting}: it was better on validation rows. Both students have the same limit of parameters. Times per row \
         are measured while a batch is predicted.</p>{notes}"
    )
}

/// HTML table with the errors of each outer fold and their means.
fn other_splits(outer: &Outer, measure: &str) -> String {
    let row = |name: &str, rows: [String; 2], errors: [f64; 4], ships: &str| {
        let cells: String = rows
            .into_iter()
            .chain(errors.map(short))
            .map(|cell| format!("<td>{cell}</td>"))
            .collect();
        format!("<tr><th scope=\"row\">{name}</th>{cells}<td class=\"text\">{ships}</td></tr>")
    };
    let of = |fold: &Fold| [fold.teacher, fold.baseline, fold.distilled, fold.shipped];
    let folds = (1..).zip(&outer.folds).map(|(at, fold): (usize, &Fold)| {
        let ships = if fold.ships == ShippedKind::Baseline {
            "baseline"
        } else {
            "distilled"
        };
        row(
            &at.to_string(),
            [grouped(fold.learned), grouped(fold.tested)],
            of(fold),
            ships,
        )
    });
    let mean = [0, 1, 2, 3].map(|side| outer.mean(|fold| of(fold)[side]));
    let rows: String = folds
        .chain([row("mean", [String::new(), String::new()], mean, "")])
        .collect();
    let saved = &outer.error_saved;
    let interval = match (saved.low, saved.high) {
        (Some(low), Some(high)) => format!("95 % interval {} to {}", short(low), short(high)),
        _ => "no interval".to_owned(),
    };
    format!(
        "<h3>Results on other splits</h3><p>The whole run was repeated {} times, each time with other test rows, another teacher and another search. {measure} saved by distillation: {} ({interval}, wider because folds share rows).</p>\
         <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{measure} by outer fold\"><table><thead><tr><th scope=\"col\">outer fold</th><th scope=\"col\">training and validation rows</th><th \
         scope=\"col\">test rows</th><th scope=\"col\">teacher</th><th scope=\"col\">baseline</th><th scope=\"col\">distilled</th><th scope=\"col\">shipped</th><th scope=\"col\" \
         class=\"text\">shipped student</th></tr></thead><tbody>{rows}</tbody></table></div>",
        outer.folds.len(),
        short(saved.value),
    )
}

fn ranked(found: &[Ranked], looked: usize, what: &str) -> String {
    if found.is_empty() {
        return "<p>No group of rows with similar values of one column stands out.</p>".into();
    }
    let row = |ranked: &Ranked| {
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{:.2} ×</td></tr>",
            escape(&ranked.slice.column),
            escape(&ranked.slice.values),
            grouped(ranked.count),
            short(ranked.error),
            ranked.times
        )
    };
    let rows: String = found.iter().take(LISTED).map(row).collect();
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"rows by column, {what}\"><table><thead><tr><th scope=\"col\">column</th><th scope=\"col\" class=\"text\">values</th><th scope=\"col\">rows</th><th \
         scope=\"col\">{what}</th><th scope=\"col\">against all rows</th></tr></thead><tbody>{rows}</tbody></table></div><p class=\"small\">The most significant of {looked} slices (groups of rows with \
         similar values of one column); among so many, a few have a larger error by chance.</p>"
    )
}

fn checks(report: &Report) -> String {
    let audit = audit(&report.data);
    if report.data.warnings.is_empty() && audit.is_empty() {
        return "<p>The checks found nothing.</p>".into();
    }
    let line = |group: &limbeck_data::Group| {
        format!(
            "<li>{} <span class=\"small\">(found by check <code>{}</code>, action: {})</span></li>",
            prose(&group.message),
            escape(&group.check),
            escape(&group.action.to_string())
        )
    };
    let groups = limbeck_data::group_warnings(&report.data.warnings);
    format!(
        "<ul>{audit}{}</ul>",
        groups.iter().map(line).collect::<String>()
    )
}

/// Commands that a user can copy, with the names of this run.
fn usage(run: &str, formats: &[Format]) -> String {
    let file = format!("{run}/student.limbeck")
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    let run = &quoted(run);
    let export = |format: Format| {
        let what = match format {
            Format::C => "C for a microcontroller",
            Format::Onnx => "ONNX",
        };
        let command = format!("limbeck export {run} --to {}", format.name());
        formats.contains(&format).then_some((what, command))
    };
    let lines = [
        Some((
            "Predict new rows",
            format!("limbeck predict {run} new.csv -o predicted.csv"),
        )),
        Some((
            "Measure on rows with targets",
            format!("limbeck evaluate {run} other.csv"),
        )),
        export(Format::C),
        export(Format::Onnx),
        Some((
            "Check that the run is unchanged",
            format!("limbeck verify {run}"),
        )),
        Some((
            "In Rust",
            format!("let student = limbeck_runtime::Student::load(\"{file}\")?;"),
        )),
        Some((
            "Repeat the run",
            format!("limbeck distill --recipe {run}/recipe.toml --out another"),
        )),
    ];
    let lines = lines.iter().flatten();
    lines
        .map(|(what, command)| use_line(what, command))
        .collect()
}

/// A path, quoted for a shell if necessary.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

fn use_line(what: &str, command: &str) -> String {
    format!(
        "<div class=\"use\"><span>{what}</span><code>{}</code><button type=\"button\" class=\"copy\" aria-label=\"copy: {what}\">copy</button></div>",
        escape(command)
    )
}

fn figure(id: &str, title: &str) -> String {
    let title = escape(title);
    format!(
        "<figure><h3>{title}</h3><div class=\"plot\"><canvas id=\"{id}\" role=\"img\" aria-label=\"{title}\"></canvas></div></figure>"
    )
}

/// A number as text. Its digits are in groups of three, separated by narrow spaces.
fn grouped(count: usize) -> String {
    limbeck_distill::proof::grouped(count).replace(' ', "\u{202f}")
}

/// A number rounded to five significant digits, enough for a chart; `null` if it is not finite.
fn shown(value: f64) -> Value {
    if !value.is_finite() || value == 0.0 {
        return if value == 0.0 { json!(0) } else { Value::Null };
    }
    format!("{value:.4e}")
        .parse::<f64>()
        .map_or(Value::Null, Value::from)
}

fn scatter(answers: &Answers) -> Value {
    let step = answers.target.len().div_ceil(POINTS).max(1);
    let points = |pred: &[f64]| {
        (0..pred.len())
            .step_by(step)
            .map(|row| json!([shown(answers.target[row]), shown(pred[row])]))
            .collect::<Vec<_>>()
    };
    json!({ "teacher": points(&answers.teacher), "shipped": points(&answers.shipped), "step": step })
}

/// For each quantile bin of the target and each model: mean of prediction minus target, and the error by which the run compares models. As JSON.
fn parts(answers: &Answers, measure: Measure, weight: &[f64]) -> Value {
    let mut order: Vec<usize> = (0..answers.target.len()).collect();
    order.sort_by(|&a, &b| answers.target[a].total_cmp(&answers.target[b]));
    let parts: Vec<&[usize]> = order.chunks(order.len().div_ceil(PARTS).max(1)).collect();
    let labels: Vec<Value> = parts
        .iter()
        .map(|part| shown(mean(part, weight, |row| answers.target[row])))
        .collect();
    let sides = answers.sides().map(|(name, pred)| {
        let of = |value: &dyn Fn(f64, f64) -> f64| {
            parts
                .iter()
                .map(|part| mean(part, weight, |row| value(pred[row], answers.target[row])))
                .collect::<Vec<f64>>()
        };
        let bias: Vec<Value> = of(&|pred, target| pred - target)
            .into_iter()
            .map(shown)
            .collect();
        let error: Vec<Value> = of(&|pred, target| measure.row(pred, target))
            .into_iter()
            .map(|mean| shown(measure.of_mean(mean)))
            .collect();
        json!({ "name": name, "bias": bias, "error": error })
    });
    json!({ "labels": labels, "sides": sides })
}

fn by_column(
    column: &str,
    slices: &[Slice],
    answers: &Answers,
    measure: Measure,
    weight: &[f64],
) -> Value {
    let own: Vec<&Slice> = slices
        .iter()
        .filter(|slice| slice.column == column)
        .take(16)
        .collect();
    let error = |pred: &[f64]| {
        own.iter()
            .map(|slice| {
                shown(measure.of_mean(mean(&slice.rows, weight, |row| {
                    measure.row(pred[row], answers.target[row])
                })))
            })
            .collect::<Vec<_>>()
    };
    let sides = answers
        .sides()
        .map(|(name, pred)| json!({ "name": name, "error": error(pred) }));
    json!({ "labels": own.iter().map(|slice| format!("{} ({})", slice.values, slice.rows.len())).collect::<Vec<_>>(), "sides": sides })
}

fn curve(name: &str, trial: &Trial) -> Value {
    let points = |value: &dyn Fn(&limbeck_distill::search::Point) -> Option<f64>| {
        trial
            .curve
            .iter()
            .filter_map(|point| Some(json!([point.step, shown(value(point)?)])))
            .collect::<Vec<_>>()
    };
    let layers = trial
        .curve
        .first()
        .map_or(0, |point| point.terms.of("layers").len());
    let layers: Vec<_> = (0..layers)
        .map(|layer| points(&|p| p.terms.of("layers").get(layer).copied()))
        .collect();
    json!({
        "name": name,
        "hard": points(&|p| p.terms.hard),
        "soft": points(&|p| p.terms.soft),
        "slope": points(&|p| p.terms.of("slope").first().copied()),
        "layers": layers,
        "valid": points(&|p| p.valid_error),
        "fidelity": points(&|p| p.fidelity_rmse),
        "stop": trial.stop,
    })
}

fn curves(chosen: [Option<&Trial>; 2]) -> Value {
    let both = ["baseline", "distilled"].into_iter().zip(chosen);
    both.filter_map(|(name, trial)| {
        trial
            .filter(|trial| !trial.curve.is_empty())
            .map(|trial| curve(name, trial))
    })
    .collect()
}

/// Test error, size in bytes and µs per row of each model, as JSON.
fn sizes(report: &Report) -> Value {
    let mut points = Vec::new();
    let mut add = |name: String, bytes: Option<usize>, us: Option<f64>, error: f64| {
        points.push(
            json!({ "name": name, "bytes": bytes, "us": us.map(shown), "error": shown(error) }),
        );
    };
    add(
        "teacher".into(),
        report.teacher.bytes,
        report.measured.teacher_us_per_row,
        report.test.teacher.error(),
    );
    add(
        "shipped".into(),
        Some(report.student.bytes),
        Some(report.measured.student_us_per_row),
        report.test.shipped.error(),
    );
    for model in report
        .baselines
        .iter()
        .flat_map(|baselines| &baselines.models)
    {
        add(
            format!("baseline, {}", model.size.kind.name()),
            Some(model.size.bytes),
            None,
            model.test.error(),
        );
    }
    Value::from(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_place() {
        assert_eq!(
            escape("<b>&\"{{DATA}}"),
            "&lt;b&gt;&amp;&quot;{&#123;DATA}}"
        );
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn names_in_backticks_are_code() {
        assert_eq!(
            prose("`a<b` and `c`: 5` long"),
            "<code>a&lt;b</code> and <code>c</code>: 5` long"
        );
        assert_eq!(prose("plain"), "plain");
    }

    #[test]
    fn figures_are_short_and_never_nan() {
        assert_eq!(shown(1.0 / 3.0), json!(0.33333));
        assert_eq!(
            (shown(f64::NAN), shown(0.0), shown(-123_456.7)),
            (Value::Null, json!(0), json!(-123_460.0))
        );
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            [tick(0.9), tick(1.1), tick(7.0), tick(3e-12)].map(plain),
            ["0.5", "1", "5", "2.000e-12"]
        );
        assert_eq!(
            (plain(0.25), plain(-100.0), plain(0.0)),
            ("0.25".into(), "-100".into(), "0".into())
        );
    }

    #[test]
    fn parts_are_worked_by_hand() {
        let target: Vec<f64> = (0..20).map(f64::from).collect();
        let answers = Answers {
            teacher: target.clone(),
            baseline: target.iter().map(|y| y + 2.0).collect(),
            distilled: target.clone(),
            shipped: target.clone(),
            target,
        };
        let found = parts(&answers, Measure::Rmse, &[1.0; 20]);
        assert_eq!(found["labels"][0], json!(0.5));
        assert_eq!(
            (
                &found["sides"][1]["bias"][9],
                &found["sides"][1]["error"][9],
                &found["sides"][0]["error"][3]
            ),
            (&json!(2.0), &json!(2.0), &json!(0))
        );
        // Too high by 2 costs 0.1 · 2 to a 0.9-quantile.
        let found = parts(&answers, Measure::Pinball { quantile: 0.9 }, &[1.0; 20]);
        assert_eq!(
            (
                &found["sides"][1]["bias"][9],
                &found["sides"][1]["error"][9]
            ),
            (&json!(2.0), &json!(0.2))
        );
    }
}
