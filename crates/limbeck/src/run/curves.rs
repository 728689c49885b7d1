//! Training curves: the list of fields that `metrics.csv`, `metrics.jsonl` and the event files share.

use std::fmt::Write as _;

use limbeck_distill::hints::{HintKind, HintOptions};
use limbeck_distill::objective::ObjectiveOptions;
use limbeck_distill::search::{Choice, Point, Refitted, Training, Trial};
use serde_json::{Value, json};

/// Options of the loss and of feature distillation. From them follow the values that change during a training, such as `alpha`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedules {
    pub(crate) objective: ObjectiveOptions,
    pub(crate) hints: HintOptions,
}

impl Schedules {
    pub(crate) fn of(objective: &ObjectiveOptions, hints: &HintOptions) -> Self {
        Self {
            objective: objective.clone(),
            hints: hints.clone(),
        }
    }
}

/// The content of a field of a training curve.
pub(crate) enum Cell {
    Text(String),
    Count(u64),
    Number(Option<f64>),
    /// One number per hidden layer of the student.
    Numbers(Vec<f64>),
}

/// A field of a training curve.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) cell: Cell,
    /// True if the value changes during a training.
    pub(crate) is_curve: bool,
}

/// The fields that are written for one point of a training curve, in order.
///
/// | field | what |
/// |---|---|
/// | `training` | name of the training; its folder of event files has the same name |
/// | `phase`, `side`, `seed`, `start_alpha`, `size`, `weight_decay`, `input_noise`, `steps` | identifies the training: its phase, student, seed and setting |
/// | `step` | number of steps taken |
/// | `loss` | loss of the batch |
/// | `loss_hard`, `loss_soft`, `loss_slope` | parts of the loss (against targets, teacher, teacher's slopes), on a fixed sample of the training rows |
/// | `alignment` | distance between each hidden layer of the student and the teacher's features |
/// | `learning_rate`, `alpha`, `temperature`, `stage`, `layer_weight` | current values of the schedules |
/// | `valid_error` | RMSE on validation rows; pinball loss for a student of a quantile |
/// | `fidelity_rmse` | RMSE to the teacher on validation rows |
/// | `gap_to_teacher` | `valid_error` minus the teacher's error on validation rows |
pub(crate) fn fields(schedules: &Schedules, training: &Training, point: &Point) -> Vec<Field> {
    let Training {
        phase,
        setting,
        seed,
    } = training;
    let progress = point.step as f64 / setting.steps.max(1) as f64;
    let fixed = |name, cell| Field {
        name,
        cell,
        is_curve: false,
    };
    let curve = |name, value| Field {
        name,
        cell: Cell::Number(value),
        is_curve: true,
    };
    let layers = |name, values| Field {
        name,
        cell: Cell::Numbers(values),
        is_curve: true,
    };
    let count = point.terms.of("layers").len();
    let hinted = schedules.hints.kind != HintKind::None && setting.alpha.is_some();
    let layer_weight = |layer| {
        schedules.hints.weight_at(progress) * schedules.hints.layer_weight(layer, count, progress)
    };
    vec![
        fixed("training", Cell::Text(training.to_string())),
        fixed("phase", Cell::Text(phase.clone())),
        fixed("side", Cell::Text(training.side().to_owned())),
        fixed("seed", Cell::Count(*seed)),
        fixed("start_alpha", Cell::Number(setting.alpha)),
        fixed("size", Cell::Number(Some(setting.size))),
        fixed("weight_decay", Cell::Number(Some(setting.weight_decay))),
        fixed("input_noise", Cell::Number(Some(setting.input_noise))),
        fixed("steps", Cell::Count(setting.steps as u64)),
        fixed("step", Cell::Count(point.step as u64)),
        curve("loss", Some(point.loss)),
        curve("loss_hard", point.terms.hard),
        curve("loss_soft", point.terms.soft),
        curve("loss_slope", point.terms.of("slope").first().copied()),
        layers("alignment", point.terms.of("layers").to_vec()),
        curve("learning_rate", Some(point.learning_rate)),
        curve(
            "alpha",
            setting
                .alpha
                .map(|alpha| schedules.objective.alpha_at(alpha, progress)),
        ),
        curve("temperature", point.terms.temperature),
        curve(
            "stage",
            hinted.then(|| 1.0 + schedules.hints.stage(progress) as f64),
        ),
        layers(
            "layer_weight",
            if hinted {
                (0..count).map(layer_weight).collect()
            } else {
                Vec::new()
            },
        ),
        curve("valid_error", point.valid_error),
        curve("fidelity_rmse", point.fidelity_rmse),
        curve("gap_to_teacher", point.gap_to_teacher),
    ]
}

/// The names of the fields as the first line of a CSV file.
pub(crate) fn csv_header(fields: &[Field]) -> String {
    fields
        .iter()
        .map(|field| field.name)
        .collect::<Vec<_>>()
        .join(",")
        + "\n"
}

/// The fields as a line of CSV.
pub(crate) fn csv_line(fields: &[Field]) -> String {
    let cell = |field: &Field| match &field.cell {
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(value) => value.map_or_else(String::new, |value| value.to_string()),
        Cell::Numbers(values) => values
            .iter()
            .map(f64::to_string)
            .collect::<Vec<_>>()
            .join(" "),
    };
    fields.iter().map(cell).collect::<Vec<_>>().join(",") + "\n"
}

/// The fields as a line of JSON: one object with the fields in order. Numbers that are not finite become `null`.
pub(crate) fn json_line(fields: &[Field]) -> String {
    let mut line = String::from("{");
    for (at, field) in fields.iter().enumerate() {
        let value = match &field.cell {
            Cell::Text(text) => json!(text),
            Cell::Count(count) => json!(count),
            Cell::Number(value) => value.map_or(Value::Null, |value| json!(value)),
            Cell::Numbers(values) => json!(values),
        };
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(line, "{comma}\"{}\":{value}", field.name);
    }
    line + "}\n"
}

/// All trainings of a run: those of the search, then the refits. Non-neural students have no training and are left out.
pub(crate) fn trainings<'a>(
    seed: u64,
    choice: &'a Choice,
    refits: &'a [Refitted],
) -> Vec<(Training, &'a Trial)> {
    let search = choice
        .baseline
        .iter()
        .chain(&choice.distilled)
        .map(|trial| (Training::search(trial.setting, seed), trial));
    let refit = (seed..).zip(refits).flat_map(|(seed, pair)| {
        [&pair.baseline, &pair.distilled].map(|trial| (Training::refit(trial.setting, seed), trial))
    });
    search
        .chain(refit)
        .filter(|(_, trial)| !trial.curve.is_empty())
        .collect()
}

/// The texts of `metrics.csv` and `metrics.jsonl` for all trainings.
pub(crate) fn texts(schedules: &Schedules, trainings: &[(Training, &Trial)]) -> (String, String) {
    let (mut csv, mut jsonl) = (String::new(), String::new());
    for (training, trial) in trainings {
        for point in &trial.curve {
            let fields = fields(schedules, training, point);
            if csv.is_empty() {
                csv = csv_header(&fields);
            }
            csv.push_str(&csv_line(&fields));
            jsonl.push_str(&json_line(&fields));
        }
    }
    (csv, jsonl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_distill::probe::Terms;
    use limbeck_distill::search::Setting;

    #[test]
    fn lines_are_worked_by_hand() {
        let setting = Setting {
            weight_decay: 0.01,
            ..Setting::plain(Some(0.5), 200)
        };
        let terms = Terms {
            hard: Some(0.25),
            soft: None,
            terms: vec![("layers".into(), vec![1.5, 2.0])],
            temperature: Some(3.0),
        };
        let point = Point {
            step: 100,
            loss: 2.0,
            learning_rate: 0.001,
            valid_error: Some(3.0),
            fidelity_rmse: None,
            gap_to_teacher: Some(1.0),
            terms,
            targets: Vec::new(),
        };
        let mut schedules = Schedules::default();
        (
            schedules.hints.kind,
            schedules.hints.weight,
            schedules.hints.weight_end,
            schedules.hints.progressive,
        ) = (HintKind::Hint, 0.5, None, false);
        let fields = fields(&schedules, &Training::refit(setting, 3), &point);
        let (header, line) = (csv_header(&fields), csv_line(&fields));
        assert_eq!(
            line,
            "refit-distilled-alpha0.5-size1-decay0.01-noise0-steps200-seed3,refit,distilled,3,0.5,1,0.01,0,200,100,2,0.25,,,1.5 2,0.001,0.5,3,1,0.5 0.5,3,,1\n"
        );
        assert_eq!(header.split(',').count(), line.split(',').count());
        let object: serde_json::Map<String, Value> =
            serde_json::from_str(&json_line(&fields)).unwrap();
        assert_eq!(object.len(), fields.len());
        assert_eq!(
            (&object["loss_soft"], &object["alignment"], &object["side"]),
            (&Value::Null, &json!([1.5, 2.0]), &json!("distilled"))
        );
    }
}
