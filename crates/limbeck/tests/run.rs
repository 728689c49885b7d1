//! Tests of runs through the library: what is written is read back the same.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use limbeck::{Combine, Event, Observer, Recipe, Run, Silent, distill};
use limbeck_data::simulate;
use limbeck_distill::hints::{HintKind, HintOptions};
use limbeck_teach::TeacherKind;

/// A recipe with little work on a small table, so that a run takes a quarter of a second.
fn quick(folder: &std::path::Path) -> Recipe {
    let table = folder.join("sensor.csv");
    simulate::thermistor(300, 7).write_csv(&table).unwrap();
    let mut recipe = Recipe::for_table(table, simulate::THERMISTOR_TARGET);
    recipe.repeats = 1;
    (
        recipe.teacher.kind,
        recipe.teacher.folds,
        recipe.teacher.trees.rounds,
    ) = (TeacherKind::Trees, 3, 20);
    recipe.transfer.munge_factor = 3;
    (
        recipe.student.params,
        recipe.student.steps,
        recipe.student.trials,
    ) = (600, 200, 1);
    recipe
}

/// Asks to stop as soon as students train, and remembers the stages.
#[derive(Default)]
struct Impatient(Mutex<Vec<String>>);

impl Observer for Impatient {
    fn event(&self, event: &Event<'_>) {
        if let Event::Stage(name) = event {
            self.0.lock().unwrap().push((*name).to_owned());
        }
    }

    fn stop(&self) -> bool {
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|stage| stage.contains("search"))
    }
}

#[test]
fn run_round_trips_through_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = quick(folder.path());
    let made = distill(&recipe.check().unwrap(), folder.path().join("run"), &Silent).unwrap();
    let opened = Run::open(folder.path().join("run")).unwrap();
    assert_eq!((opened.recipe(), opened.report()), (&recipe, made.report()));
    let student = opened.student().unwrap();
    student.verify_golden().unwrap();
    assert_eq!(student.parameters(), made.report().student.parameters);
    let (features, table) = opened.read_rows(&recipe.table).unwrap();
    assert_eq!((features.rows, table.columns.len()), (300, 6));
    assert!(
        student
            .predict(&features.raw(), features.rows)
            .unwrap()
            .iter()
            .all(|value| value.is_finite())
    );
}

#[test]
fn run_directory_is_never_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = quick(folder.path());
    let error = distill(&recipe.check().unwrap(), folder.path(), &Silent)
        .unwrap_err()
        .to_string();
    assert!(error.contains("exists already"), "{error}");
}

#[test]
fn stopped_run_is_marked_and_valid() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.student.steps = 100_000;
    let run = distill(
        &recipe.check().unwrap(),
        folder.path().join("run"),
        &Impatient::default(),
    )
    .unwrap();
    assert!(run.report().interrupted);
    assert!(run.report().shipped.steps < 100_000);
    run.student().unwrap().verify_golden().unwrap();
}

/// Asks to stop at the first word of the out-of-fold fits; keeps how far they came.
#[derive(Default)]
struct StopsInFits(Mutex<f64>);

impl Observer for StopsInFits {
    fn event(&self, event: &Event<'_>) {
        if let Event::Part(part) = event
            && part.name.starts_with("trees, 3 folds")
        {
            assert!(part.done > 0 && part.done <= part.total);
            let mut share = self.0.lock().unwrap();
            *share = share.max(part.done as f64 / part.total as f64);
        }
    }

    fn stop(&self) -> bool {
        *self.0.lock().unwrap() > 0.0
    }
}

/// Stops once the folds have been fitted.
#[derive(Default)]
struct StopsAfterFolds(std::sync::atomic::AtomicBool);

impl Observer for StopsAfterFolds {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Stage("teacher: fit on all rows")) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn stop(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn a_stop_is_heard_in_the_fits_of_a_fold_and_the_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.teacher.choose_trees = false;
    let whole = distill(
        &recipe.check().unwrap(),
        folder.path().join("whole"),
        &Silent,
    )
    .unwrap();
    let out = folder.path().join("run");
    // Fits of so many rounds that one round is next to nothing.
    recipe.teacher.trees.rounds = 1000;
    let observer = StopsInFits::default();
    let Err(error) = distill(&recipe.check().unwrap(), &out, &observer) else {
        panic!("it was stopped in the first fits")
    };
    assert!(error.is_interruption(), "{error}");
    // Each fold may be in a round when it hears of the end.
    let share = *observer.0.lock().unwrap();
    assert!(share > 0.0 && share < 0.1, "{share}");

    recipe.teacher.trees.rounds = 20;
    let out = folder.path().join("again");
    let error = distill(&recipe.check().unwrap(), &out, &StopsAfterFolds::default()).unwrap_err();
    assert!(
        error.is_interruption() && error.to_string().contains("--resume"),
        "{error}"
    );
    let again = limbeck::resume(&out, &Silent).unwrap();
    let bytes = |run: &Run| std::fs::read(run.path().join("student.limbeck")).unwrap();
    assert!(bytes(&again[0]) == bytes(&whole));
}

/// Records the names of the stages.
#[derive(Default)]
struct Stages(Mutex<Vec<String>>);

impl Observer for Stages {
    fn event(&self, event: &Event<'_>) {
        if let Event::Stage(name) = event {
            self.0.lock().unwrap().push((*name).to_owned());
        }
    }
}

/// A table with so many columns, of which three say something of `y`.
fn wide(folder: &std::path::Path, columns: usize, rows: usize) -> std::path::PathBuf {
    use limbeck_data::{Column, Table};
    let noise = |j: usize, i: usize| ((i * (2 * j + 7)) as f64 * 0.618_033_988).fract() - 0.5;
    let mut all: Vec<Column> = (0..columns)
        .map(|j| Column::number(&format!("x{j}"), (0..rows).map(|i| noise(j, i)).collect()))
        .collect();
    let y = |i: usize| (6.0 * noise(1, i)).sin() + 2.0 * noise(2, i) + noise(3, i);
    all.push(Column::number("y", (0..rows).map(y).collect()));
    let table = Table {
        columns: all,
        rows,
        ..Table::default()
    };
    let path = folder.join("wide.csv");
    table.write_csv(&path).unwrap();
    path
}

#[test]
fn a_budget_too_small_for_the_columns_is_refused_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["mlp", "linear", "trees"] {
        let mut recipe = quick(folder.path());
        recipe.table = wide(folder.path(), 300, 300);
        recipe.data.target = "y".into();
        recipe.student.kind = kind.parse().unwrap();
        let (stages, out) = (Stages::default(), folder.path().join("run"));
        let error = distill(&recipe.check().unwrap(), &out, &stages).unwrap_err();
        assert!(error.to_string().contains("--params"), "{error}");
        assert_eq!(*stages.0.lock().unwrap(), ["read"]);
        assert!(!out.exists() && !folder.path().join("run.unfinished").exists());
    }
}

#[test]
fn a_time_limit_that_nothing_fits_is_refused_with_one_that_would() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.time_limit = Some(0.001);
    let (stages, out) = (Stages::default(), folder.path().join("run"));
    let error = distill(&recipe.check().unwrap(), &out, &stages).unwrap_err();
    assert!(error.to_string().contains("give --time-limit"), "{error}");
    assert_eq!(*stages.0.lock().unwrap(), ["read", "measure speed"]);
}

#[test]
fn columns_that_a_time_limit_leaves_out_stay_out_in_the_recipe_and_the_student() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    // More columns than 600 parameters can read.
    recipe.table = wide(folder.path(), 300, 400);
    recipe.data.target = "y".into();
    // Enough for measuring on a slow machine.
    recipe.time_limit = Some(300.0);
    let run = distill(&recipe.check().unwrap(), folder.path().join("run"), &Silent).unwrap();
    let dropped = &run.recipe().data.drop;
    let read = run.student().unwrap().encoder.columns.len();
    assert_eq!(dropped.len() + read, 300);
    assert!(
        !["x1", "x2", "x3"]
            .iter()
            .any(|name| dropped.contains(&(*name).to_owned()))
    );
    let notes = &run.report().notes;
    assert!(
        notes.iter().any(|note| note.contains("of 300 columns")),
        "{notes:?}"
    );
    // The run reads tables with all columns.
    let (features, _) = run.read_rows(&recipe.table).unwrap();
    let answers = run
        .student()
        .unwrap()
        .predict(&features.raw(), 400)
        .unwrap();
    assert!(answers.iter().all(|answer| answer.is_finite()));
}

/// What an example prints. Cargo builds the examples beside the tests: `<profile>/deps/run-…` and `<profile>/examples/distill`. Those of other
/// crates are there where the whole workspace is tested.
fn example(name: &str) -> Option<String> {
    let test = std::env::current_exe().unwrap();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = test.ancestors().nth(2).unwrap().join("examples").join(file);
    if !path.exists() {
        return None;
    }
    let done = std::process::Command::new(path).output().unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{name}: {complaint}");
    Some(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn example_of_the_library_runs() {
    let said = example("distill").unwrap();
    assert!(said.contains("istillation"), "{said}");
    let run = limbeck::Run::open(said.lines().last().unwrap().trim()).unwrap();
    assert_eq!(
        run.report().target,
        limbeck_data::simulate::THERMISTOR_TARGET
    );
}

#[test]
fn examples_of_all_crates_run() {
    for (name, said) in [
        ("fit", "test RMSE"),
        ("split", "features"),
        ("declare", "refused: fit.share"),
        ("predict", "y: "),
        ("train", "RMSE of the graph 0.0"),
        ("trees", "test rows"),
        ("search", "distilled"),
        ("export", "BUILDING_COOLING = 1"),
    ] {
        // Without the rest of the workspace, only the examples of this crate are built.
        let Some(found) = example(name) else {
            let alone = example("split").is_none() && name != "fit";
            assert!(alone, "{name} was not built");
            continue;
        };
        assert!(found.contains(said), "{name}: {found}");
    }
}

#[test]
fn features_of_every_teacher_are_learned_from() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, name) in [
        (TeacherKind::Trees, "trees"),
        (TeacherKind::Network, "network"),
    ] {
        let mut recipe = quick(folder.path());
        (
            recipe.teacher.kind,
            recipe.teacher.network.steps,
            recipe.teacher.network.members,
        ) = (kind, (40, 40), 2);
        (recipe.student.hidden, recipe.student.bins) = (Some(vec![8, 8, 8]), Some(4));
        let plain = distill(&recipe.check().unwrap(), folder.path().join(name), &Silent).unwrap();
        for hints in [
            HintKind::Hint,
            HintKind::Attention,
            HintKind::AttentionLiteral,
            HintKind::Relational,
        ] {
            recipe.hints = HintOptions {
                kind: hints,
                weight: 0.5,
                width: 4,
                progressive: true,
                ..HintOptions::default()
            };
            recipe.teacher.from = Some(folder.path().join(name));
            let out = folder.path().join(format!("{name}-{hints:?}"));
            let run = distill(&recipe.check().unwrap(), &out, &Silent).unwrap();
            // The baseline knows nothing of features, the distilled one has no adapters in its file.
            assert_eq!(run.report().test.baseline, plain.report().test.baseline);
            assert_ne!(
                run.report().test.distilled,
                plain.report().test.distilled,
                "{hints:?}"
            );
            assert_eq!(
                run.report().student.parameters,
                plain.report().student.parameters
            );
            let metrics = std::fs::read_to_string(out.join(limbeck::run::METRICS)).unwrap();
            // The third layer joins in the third stage, and rises there.
            assert!(
                metrics.lines().any(|line| line.contains(",1,0.5 0 0,")),
                "{metrics}"
            );
            assert!(
                metrics.lines().any(|line| line.contains(",3,0.5 0.5 0.5,")),
                "{metrics}"
            );
            // How far each layer is from its partner, of the distilled student only.
            let column = metrics
                .lines()
                .next()
                .unwrap()
                .split(',')
                .position(|name| name == "alignment")
                .unwrap();
            for line in metrics.lines().skip(1) {
                let layers = line
                    .split(',')
                    .nth(column)
                    .unwrap()
                    .split_whitespace()
                    .count();
                assert_eq!(
                    layers,
                    if line.contains(",baseline,") { 0 } else { 3 },
                    "{line}"
                );
            }
        }
    }
}

#[test]
fn labels_of_an_earlier_run_serve_other_new_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    let first = distill(
        &recipe.check().unwrap(),
        folder.path().join("first"),
        &Silent,
    )
    .unwrap();
    recipe.transfer.slope_rows = 101;
    let fresh = distill(
        &recipe.check().unwrap(),
        folder.path().join("fresh"),
        &Silent,
    )
    .unwrap();
    recipe.teacher.from = Some(folder.path().join("first"));
    let reused = distill(
        &recipe.check().unwrap(),
        folder.path().join("reused"),
        &Silent,
    )
    .unwrap();
    // The stored teacher labels the new rows as it did when it was fitted.
    assert_eq!(
        (&reused.report().test, &reused.report().test_seeds),
        (&fresh.report().test, &fresh.report().test_seeds)
    );
    assert_ne!(first.report().test.distilled, fresh.report().test.distilled);
    std::fs::remove_file(folder.path().join("first/teacher/teacher.limbeck")).unwrap();
    let error = distill(
        &recipe.check().unwrap(),
        folder.path().join("other"),
        &Silent,
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("`transfer` differs"), "{error}");
}

#[test]
fn features_need_a_teacher_that_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.teacher.command = Some(limbeck_teach::command::CommandOptions {
        command: "cat".into(),
        format: Default::default(),
        batch_rows: 10,
        timeout_s: 1.0,
    });
    recipe.hints.kind = HintKind::Hint;
    let error = distill(&recipe.check().unwrap(), folder.path().join("run"), &Silent)
        .unwrap_err()
        .to_string();
    assert!(error.contains("hints.kind"), "{error}");
}

#[test]
fn disputed_rows_and_residual_teachers_change_the_student_and_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.student.steps = 1200;
    recipe.transfer.adversarial_rows = 50;
    let run = distill(
        &recipe.check().unwrap(),
        folder.path().join("disputed"),
        &Silent,
    )
    .unwrap();
    let teacher = &run.report().teacher;
    // Three times as many munged rows as training rows, and four candidates for each of 50, of which 50 are kept.
    assert_eq!(teacher.new_rows - 200, 3 * run.report().data.train);
    let labels = limbeck_data::Table::read(
        folder.path().join("disputed/labels.parquet"),
        &Default::default(),
    )
    .unwrap();
    let limbeck_data::Values::Number(accepted) = &labels.column("accepted").unwrap().values else {
        panic!()
    };
    let candidates = &accepted[accepted.len() - 200..];
    assert_eq!(candidates.iter().filter(|b| **b > 0.5).count(), 50);
    // The choice is stored with the labels, so a run on the same rows repeats itself.
    recipe.teacher.from = Some(folder.path().join("disputed"));
    let again = distill(
        &recipe.check().unwrap(),
        folder.path().join("again"),
        &Silent,
    )
    .unwrap();
    assert_eq!(again.report().test, run.report().test);
    let mut recipe = quick(folder.path());
    let plain = distill(
        &recipe.check().unwrap(),
        folder.path().join("plain"),
        &Silent,
    )
    .unwrap();
    recipe.teacher.residual_rounds = 2;
    let residual = distill(
        &recipe.check().unwrap(),
        folder.path().join("residual"),
        &Silent,
    )
    .unwrap();
    assert_eq!(residual.report().teacher.residual_rounds, 2);
    assert_ne!(residual.report().test.teacher, plain.report().test.teacher);
    assert!(!folder.path().join("residual/teacher").exists());
    recipe.teacher.from = Some(folder.path().join("residual"));
    let again = distill(
        &recipe.check().unwrap(),
        folder.path().join("residual again"),
        &Silent,
    )
    .unwrap();
    assert_eq!(again.report().test, residual.report().test);
}

#[test]
fn several_teachers_are_one_mix_with_weights_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    distill(
        &recipe.check().unwrap(),
        folder.path().join("trees"),
        &Silent,
    )
    .unwrap();
    (
        recipe.teacher.kind,
        recipe.teacher.network.steps,
        recipe.teacher.network.members,
    ) = (TeacherKind::Network, (60, 60), 2);
    for combine in [Combine::InverseVariance, Combine::Stacked] {
        recipe.teacher.with = vec![folder.path().join("trees")];
        recipe.teacher.combine = combine;
        let run = distill(
            &recipe.check().unwrap(),
            folder.path().join(format!("{combine:?}")),
            &Silent,
        )
        .unwrap();
        let teacher = &run.report().teacher;
        assert_eq!(teacher.kind, "network + trees");
        assert!(
            (teacher.members.iter().map(|m| m.weight).sum::<f64>() - 1.0).abs() < 1e-9,
            "{:?}",
            teacher.members
        );
        assert!(teacher.members.iter().all(|m| m.weight >= 0.0));
        let opened = Run::open(folder.path().join(format!("{combine:?}"))).unwrap();
        assert_eq!(opened.report(), run.report());
    }
}

/// Records the stages of progressive alignment.
#[derive(Default)]
struct Alignment(Mutex<std::collections::BTreeSet<String>>);

impl Observer for Alignment {
    fn event(&self, event: &Event<'_>) {
        if let Event::Training(progress) = event {
            let staged = progress.staged.unwrap_or("none").to_owned();
            assert!(staged == "none" || progress.training.setting.alpha.is_some());
            self.0.lock().unwrap().insert(staged);
        }
    }
}

#[test]
fn stages_of_progressive_alignment_are_shown_while_students_train() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    (recipe.student.hidden, recipe.student.bins) = (Some(vec![8, 8, 8]), Some(4));
    recipe.hints = HintOptions {
        kind: HintKind::Attention,
        progressive: true,
        ..HintOptions::default()
    };
    let seen = Alignment::default();
    distill(&recipe.check().unwrap(), folder.path().join("run"), &seen).unwrap();
    let seen = seen.0.into_inner().unwrap();
    for wanted in [
        "none",
        "alignment stage 1 of 3, layer weights 1.0 0.0 0.0",
        "alignment stage 3 of 3, layer weights 1.0 1.0 1.0",
    ] {
        assert!(seen.contains(wanted), "{wanted}: {seen:?}");
    }
}

#[test]
fn fit_in_memory_agrees_with_a_run_and_touches_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = quick(folder.path()).check().unwrap();
    let run = distill(&recipe, folder.path().join("run"), &Silent).unwrap();
    let files = || {
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = files();
    let data = limbeck_data::Dataset::load(&recipe.table, &recipe.data, recipe.seed).unwrap();
    let fitted = limbeck::fit(&data, &recipe, &limbeck::Session::new(&Silent)).unwrap();
    assert_eq!(files(), before);
    assert_eq!(
        fitted.student().to_bytes().unwrap(),
        std::fs::read(run.path().join("student.limbeck")).unwrap()
    );
    let (mine, theirs) = (fitted.report(), run.report());
    assert_eq!((&mine.test, &mine.proof), (&theirs.test, &theirs.proof));
    assert_eq!(fitted.predictions().rows, data.split.test.len());
    assert_eq!(fitted.labels().to_table(&data).rows, {
        let table = limbeck_data::Table::read(
            run.path().join("labels.parquet"),
            &limbeck_data::ReadOptions::default(),
        );
        table.unwrap().rows
    });
}

#[test]
fn several_targets_have_a_run_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.targets = vec!["air_speed_m_s".into()];
    assert!(
        distill(&recipe.check().unwrap(), folder.path().join("one"), &Silent)
            .unwrap_err()
            .to_string()
            .contains("targets")
    );
    let out = folder.path().join("both");
    let made = limbeck::distill_each(&recipe.check().unwrap(), &out, &Silent).unwrap();
    let opened = limbeck::open_each(&out).unwrap();
    assert_eq!(opened.len(), 2);
    for (made, opened) in made.iter().zip(&opened) {
        assert_eq!(made.report(), opened.report());
        let columns: Vec<String> = opened
            .student()
            .unwrap()
            .encoder
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        assert!(
            !columns
                .iter()
                .any(|name| name == simulate::THERMISTOR_TARGET || name == "air_speed_m_s"),
            "{columns:?}"
        );
    }
    assert_eq!(
        (
            opened[0].report().target.as_str(),
            opened[1].report().target.as_str()
        ),
        (simulate::THERMISTOR_TARGET, "air_speed_m_s")
    );
    // The first is what a run with the other column dropped would have been.
    recipe.targets.clear();
    recipe.data.drop = vec!["air_speed_m_s".into()];
    let alone = distill(
        &recipe.check().unwrap(),
        folder.path().join("alone"),
        &Silent,
    )
    .unwrap();
    assert_eq!(alone.report().test, opened[0].report().test);
    let refused = Run::open(&out).unwrap_err().to_string();
    assert!(
        refused.contains("several runs, one for each target") && refused.contains("air_speed_m_s"),
        "{refused}"
    );
    std::fs::write(
        out.join("targets.json"),
        r#"[{"target": "a", "folder": "../../x"}]"#,
    )
    .unwrap();
    assert!(
        limbeck::open_each(&out)
            .unwrap_err()
            .to_string()
            .contains("expected a folder inside the run")
    );
}

#[test]
fn one_student_predicts_several_targets() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    (recipe.targets, recipe.joint) = (vec!["air_speed_m_s".into()], true);
    let out = folder.path().join("joint");
    let made = limbeck::distill_each(&recipe.check().unwrap(), &out, &Silent).unwrap();
    let opened = limbeck::open_each(&out).unwrap();
    let file = limbeck::run::joint_student(&out).unwrap();
    let joint = limbeck_runtime::Student::load(&file).unwrap();
    joint.verify_golden().unwrap();
    let names: Vec<&str> = joint.outputs.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, [simulate::THERMISTOR_TARGET, "air_speed_m_s"]);
    assert!(joint.parameters() <= 600);
    for (at, (made, opened)) in made.iter().zip(&opened).enumerate() {
        let report = opened.report();
        assert_eq!((made.report(), made.path()), (report, opened.path()));
        let said = report.joint.as_ref().unwrap();
        assert_eq!(
            (said.targets.len(), said.parameters),
            (2, joint.parameters())
        );
        assert_eq!(said.bytes as u64, std::fs::metadata(&file).unwrap().len());
        // Its student is the one of all targets, with one output.
        let own = opened.student().unwrap();
        assert_eq!(own.outputs[..], joint.outputs[at..=at]);
        let (rows, _) = opened.read_rows(&recipe.table).unwrap();
        let all = joint.predict(&rows.raw(), rows.rows).unwrap();
        let one = own.predict(&rows.raw(), rows.rows).unwrap();
        for (all, one) in all.iter().skip(at).step_by(2).zip(&one) {
            assert!((all - one).abs() <= 1e-4 * (1.0 + one.abs()), "{all} {one}");
        }
    }
    // A run for each has as many rows: those that have both.
    assert_eq!(opened[0].report().data.test, opened[1].report().data.test);
    let verified = limbeck::verify::verify(&out).unwrap();
    let wrong =
        |finding: &&limbeck::verify::Finding| finding.state == limbeck::verify::State::Wrong;
    assert_eq!(verified.iter().find(wrong), None);

    let refused = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = recipe.clone();
        change(&mut recipe);
        recipe.check().unwrap_err().to_string()
    };
    assert!(refused(&|r| r.targets.clear()).contains("targets"));
    assert!(refused(&|r| r.target_weights = vec![1.0]).contains("expected 2: one for each"));
    assert!(refused(&|r| r.target_weights = vec![1.0, 0.0]).contains("above 0"));
    assert!(refused(&|r| r.hints.kind = HintKind::Hint).contains("hints.kind"));
    assert!(refused(&|r| r.data.teacher_column = Some("p".into())).contains("teacher_column"));
}

#[test]
fn network_teachers_have_the_head_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.teacher.kind = TeacherKind::Network;
    recipe.teacher.network.members = 2;
    recipe.teacher.network.steps = (60, 60);
    for head in [
        limbeck_nets::HeadKind::Point,
        limbeck_nets::HeadKind::Gaussian,
        limbeck_nets::HeadKind::Binned,
    ] {
        recipe.teacher.network.head = head;
        let out = folder.path().join(format!("{head:?}"));
        let run = distill(&recipe.check().unwrap(), &out, &Silent).unwrap();
        assert!(run.report().test.teacher.rmse.is_finite());
        // Its file is read again: as the teacher of another run.
        let mut other = quick(folder.path());
        other.teacher.model = Some(out);
        let found = distill(
            &other.check().unwrap(),
            folder.path().join(format!("{head:?} again")),
            &Silent,
        )
        .unwrap();
        assert!((found.report().test.teacher.rmse - run.report().test.teacher.rmse).abs() < 1e-9);
    }
    recipe.teacher.network.head_bins = 3;
    assert!(
        recipe
            .check()
            .unwrap_err()
            .to_string()
            .contains("head_bins")
    );
}

/// Every file of a folder and below.
fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

#[test]
fn page_and_predictions_say_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    let table = std::fs::read_to_string(&recipe.table).unwrap().replacen(
        "board_temperature_c",
        "</script><b>\u{2028}{{DATA}}",
        1,
    );
    std::fs::write(&recipe.table, table).unwrap();
    recipe.table = folder.path().join("sensor.csv");
    let run = distill(&recipe.check().unwrap(), folder.path().join("run"), &Silent).unwrap();
    let page = std::fs::read_to_string(folder.path().join("run").join("report.html")).unwrap();
    let sentence = run
        .report()
        .proof
        .verdict
        .sentence
        .split(". ")
        .next()
        .unwrap()
        .to_owned();
    assert!(page.contains(&sentence) && page.contains("student.limbeck") && page.len() < 3_000_000);
    // Nothing of a table's text becomes markup, and no place is left open or filled twice.
    assert!(!page.contains("<b>\u{2028}") && !page.contains("{{MODELS}}"));
    assert_eq!(
        (
            page.matches("</script>").count(),
            page.matches("<script").count()
        ),
        (3, 3)
    );
    // The one address is an empty icon within the page.
    assert_eq!(
        (
            page.matches(" src=").count(),
            page.matches("<link").count(),
            page.matches("href=\"data:,\"").count()
        ),
        (0, 1, 1)
    );
    let answers = limbeck_data::Table::read(
        folder.path().join("run").join("predictions.parquet"),
        &limbeck_data::ReadOptions::default(),
    )
    .unwrap();
    let numbers = |name: &str| match &answers.column(name).unwrap().values {
        limbeck_data::Values::Number(values) => values.clone(),
        other => panic!("{other:?}"),
    };
    let rmse =
        limbeck_data::metrics::rmse(&numbers("shipped"), &numbers("target"), &numbers("weight"));
    assert!(
        (rmse - run.report().test.shipped.rmse).abs() < 1e-12 * rmse.max(1.0),
        "{rmse}"
    );
    assert_eq!(answers.rows, run.report().data.test);
}

#[test]
fn every_changed_byte_of_a_run_is_found() {
    use limbeck::export::{Format, export};
    use limbeck::verify::{State, verify};
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let run = distill(&quick(folder.path()).check().unwrap(), &out, &Silent).unwrap();
    let student = run.student().unwrap();
    for &format in Format::ALL {
        export(&student, format, &out.join("export"), "thermistor").unwrap();
        let again = export(&student, format, &out.join("export"), "thermistor")
            .unwrap_err()
            .to_string();
        assert!(again.contains("never overwritten"), "{again}");
    }
    let wrong = || {
        verify(&out)
            .unwrap()
            .into_iter()
            .filter(|finding| finding.state == State::Wrong)
            .collect::<Vec<_>>()
    };
    assert_eq!(wrong(), []);
    assert!(
        verify(&out)
            .unwrap()
            .iter()
            .any(|finding| finding.detail.contains("max |difference|"))
    );
    let mut checked = 0;
    // The log is for people and speaks for itself.
    for path in files_below(&out)
        .into_iter()
        .filter(|path| !path.ends_with("log.txt"))
    {
        let whole = std::fs::read(&path).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x08;
            std::fs::write(&path, &bytes).unwrap();
            assert!(!wrong().is_empty(), "byte {at} of {}", path.display());
            checked += 1;
        }
        std::fs::write(&path, &whole[..whole.len() / 3]).unwrap();
        assert!(!wrong().is_empty(), "{} cut short", path.display());
        std::fs::remove_file(&path).unwrap();
        // Without its manifest a run of an earlier limbeck is not known to be wrong; an artefact without it is none.
        if !path.to_string_lossy().ends_with("manifest.json") {
            assert!(!wrong().is_empty(), "{} gone", path.display());
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(checked >= 3 * 14 && wrong().is_empty(), "{checked}");
    let single = verify(&out.join("export").join("thermistor.h")).unwrap();
    assert!(
        single.iter().all(|finding| finding.state != State::Wrong) && single.len() >= 5,
        "{single:?}"
    );
    assert!(
        verify(&folder.path().join("sensor.csv"))
            .unwrap_err()
            .to_string()
            .contains("found no manifest beside it")
    );
}

#[test]
fn runs_are_listed_and_compared_row_by_row() {
    use limbeck::compare::{differences, page, paired, runs, sentences};
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("runs");
    let mut recipe = quick(folder.path());
    let first = distill(&recipe.check().unwrap(), out.join("a-2"), &Silent).unwrap();
    recipe.student.params = 300;
    let smaller = distill(&recipe.check().unwrap(), out.join("a-10"), &Silent).unwrap();
    recipe.seed = 9;
    let elsewhere = distill(&recipe.check().unwrap(), out.join("b"), &Silent).unwrap();
    std::fs::create_dir(out.join("no run")).unwrap();
    std::fs::create_dir(out.join("broken")).unwrap();
    std::fs::write(out.join("broken").join("report.json"), "{").unwrap();
    let (found, faults) = runs(&out).unwrap();
    let names: Vec<String> = found
        .iter()
        .map(|run| {
            run.path()
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(
        (names, faults.len()),
        (vec!["a-2".to_owned(), "a-10".to_owned(), "b".to_owned()], 1)
    );
    let against = paired(&first, &smaller).unwrap().unwrap();
    let expected = first.report().test.shipped.rmse - smaller.report().test.shipped.rmse;
    assert!(
        (against.saved - expected).abs() < 1e-9
            && against.low <= against.saved
            && against.saved <= against.high,
        "{against:?}"
    );
    let same = paired(&first, &first).unwrap().unwrap();
    assert_eq!((same.saved, same.low, same.high), (0.0, 0.0, 0.0));
    assert!(
        paired(&first, &elsewhere)
            .unwrap()
            .unwrap_err()
            .contains("test rows, targets")
    );
    assert_eq!(
        differences(&[first.clone(), smaller.clone()]),
        [(
            "student.params".to_owned(),
            vec!["600".to_owned(), "300".to_owned()]
        )]
    );
    let page = page(&[first.clone(), smaller, elsewhere]).unwrap();
    assert!(
        page.contains("student.params")
            && page.contains("cannot be compared row by row")
            && sentences(&[first]).unwrap().is_empty()
    );
}

/// Asks to stop once the second target is fitted.
#[derive(Default)]
struct StopsAtSecond(Mutex<(bool, bool, Vec<String>)>);

impl Observer for StopsAtSecond {
    fn event(&self, event: &Event<'_>) {
        let mut state = self.0.lock().unwrap();
        match event {
            Event::Stage(name) if name.starts_with("target 2") => state.0 = true,
            Event::Stage(name) if state.0 && name.contains("labels") => state.1 = true,
            Event::Note(note) => state.2.push((*note).to_owned()),
            _ => {}
        }
    }

    fn stop(&self) -> bool {
        self.0.lock().unwrap().1
    }
}

#[test]
fn a_stop_at_the_second_target_keeps_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.targets = vec!["supply_v".into()];
    let out = folder.path().join("both");
    let observer = StopsAtSecond::default();
    let Err(error) = limbeck::distill_each(&recipe.check().unwrap(), &out, &observer) else {
        panic!("it was stopped before the second had a student")
    };
    assert!(
        error.is_interruption() && error.to_string().contains("--resume"),
        "{error}"
    );
    assert!(!out.exists());
    let first = folder
        .path()
        .join("both.unfinished")
        .join(limbeck_data::simulate::THERMISTOR_TARGET);
    let report = Run::open(&first).unwrap().report().clone();
    let runs = limbeck::resume(&out, &Silent).unwrap();
    assert_eq!(
        (runs.len(), limbeck::open_each(&out).unwrap().len()),
        (2, 2)
    );
    assert_eq!(runs[0].report(), &report);
    assert!(!runs[1].report().interrupted);
    // What is done is only opened.
    assert_eq!(limbeck::resume(&out, &Silent).unwrap().len(), 2);
}

/// The files of a run that must repeat: all but those that hold times.
fn contents(run: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let times = [
        "report.json",
        "report.html",
        "manifest.json",
        "log.txt",
        "events.out.tfevents.limbeck",
    ];
    let mut files = files_below(run);
    files.retain(|file| !times.iter().any(|name| file.ends_with(name)));
    files.sort();
    files
        .into_iter()
        .map(|file| {
            (
                file.strip_prefix(run).unwrap().to_owned(),
                std::fs::read(&file).unwrap(),
            )
        })
        .collect()
}

/// Ends the run by a panic, as a kill would, after a given number of events.
struct Killed(std::sync::atomic::AtomicUsize);

impl Observer for Killed {
    fn event(&self, event: &Event<'_>) {
        use std::sync::atomic::Ordering;
        // Parts of a stage come by time, other events by the recipe.
        if matches!(event, Event::Part(_)) {
            return;
        }
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                Some(left.saturating_sub(1))
            })
            .unwrap();
        assert!(left > 0, "killed");
    }
}

#[test]
fn killed_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.checkpoint_every = 0.0;
    recipe.threads = 1;
    recipe.repeats = 2;
    (
        recipe.teacher.kind,
        recipe.teacher.network.steps,
        recipe.teacher.network.members,
    ) = (TeacherKind::Auto, (40, 40), 2);
    recipe.hints = HintOptions {
        kind: HintKind::Attention,
        progressive: true,
        width: 4,
        ..HintOptions::default()
    };
    (
        recipe.transfer.adversarial_rows,
        recipe.teacher.residual_rounds,
    ) = (100, 1);
    let whole = folder.path().join("whole");
    let report = distill(&recipe.check().unwrap(), &whole, &Silent)
        .unwrap()
        .report()
        .clone();
    std::panic::set_hook(Box::new(|_| {}));
    for after in [3, 5, 8, 30, 50, 70, 90, 110] {
        let out = folder.path().join(format!("killed-{after}"));
        let killed = std::panic::catch_unwind(|| {
            distill(&recipe.check().unwrap(), &out, &Killed(after.into())).map(|_| ())
        });
        assert!(killed.is_err() && !out.exists(), "after {after}");
        // Ended again on its way, or done already, which is then only opened.
        let _ = std::panic::catch_unwind(|| {
            limbeck::resume(&out, &Killed((after / 2).into())).map(|_| ())
        });
        let runs = limbeck::resume(&out, &Silent).unwrap();
        assert_eq!(contents(&out), contents(&whole), "after {after}");
        assert_eq!(
            (&runs[0].report().test, &runs[0].report().proof),
            (&report.test, &report.proof)
        );
    }
    drop(std::panic::take_hook());
}

/// Asks to stop in the second outer fold.
#[derive(Default)]
struct InSecondFold(Mutex<bool>);

impl Observer for InSecondFold {
    fn event(&self, event: &Event<'_>) {
        if let Event::Stage(name) = event {
            *self.0.lock().unwrap() |= name.starts_with("outer fold 2");
        }
    }

    fn stop(&self) -> bool {
        *self.0.lock().unwrap()
    }
}

#[test]
fn outer_folds_repeat_the_run_and_change_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = quick(folder.path());
    recipe.repeats = 2;
    let plain = distill(
        &recipe.check().unwrap(),
        folder.path().join("plain"),
        &Silent,
    )
    .unwrap();
    recipe.outer_folds = 3;
    let outer = distill(
        &recipe.check().unwrap(),
        folder.path().join("outer"),
        &Silent,
    )
    .unwrap();
    let student =
        |run: &str| std::fs::read(folder.path().join(run).join("student.limbeck")).unwrap();
    assert_eq!(student("plain"), student("outer"));
    assert_eq!(
        (&plain.report().test, &plain.report().proof.method),
        (&outer.report().test, &outer.report().proof.method)
    );
    let found = outer.report().outer.as_ref().unwrap();
    assert_eq!(
        found
            .folds
            .iter()
            .map(|fold| (fold.learned, fold.tested))
            .collect::<Vec<_>>(),
        [(200, 100); 3]
    );
    // Other rows, another teacher.
    assert!(
        found.folds[0].teacher.to_bits() != found.folds[1].teacher.to_bits()
            && found.error_saved.low.unwrap() < found.error_saved.value
    );
    let (page, sentence) = (
        std::fs::read_to_string(folder.path().join("outer/report.html")).unwrap(),
        &outer.report().proof.verdict.sentence,
    );
    assert!(
        page.contains("Results on other splits") && sentence.contains("Over 3 outer folds"),
        "{sentence}"
    );
    assert!(!plain.report().proof.verdict.sentence.contains("Over 3"));

    let mut other = recipe.clone();
    other.teacher.from = Some(folder.path().join("plain"));
    let error = other.check().unwrap_err().to_string();
    assert!(
        error.contains("outer_folds") && error.contains("teacher.model"),
        "{error}"
    );
    other = Recipe {
        outer_folds: 1,
        ..recipe.clone()
    };
    assert!(
        other
            .check()
            .unwrap_err()
            .to_string()
            .contains("0 (none), or 2 to 20")
    );

    // Too many folds are refused before any work is done.
    other = Recipe {
        outer_folds: 20,
        ..recipe.clone()
    };
    let (groups, out) = (
        folder.path().join("groups.csv"),
        folder.path().join("refused"),
    );
    let mut table = simulate::thermistor(300, 7);
    table.columns.push(limbeck_data::Column::category(
        "day",
        (0..300_usize).map(|row| Some(["a", "b", "c", "d", "e"][row / 60])),
    ));
    table.write_csv(&groups).unwrap();
    (other.table, other.data.group) = (groups, Some("day".into()));
    let error = distill(&other.check().unwrap(), &out, &Silent)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("20 outer folds need at least 20 groups") && error.contains("found 5"),
        "{error}"
    );
    assert!(!out.exists() && !folder.path().join("refused.unfinished").exists());

    // A run that is stopped there goes on with the second fold.
    let out = folder.path().join("stopped");
    let error = distill(&recipe.check().unwrap(), &out, &InSecondFold::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("--resume"), "{error}");
    assert_eq!(
        limbeck::resume(&out, &Silent).unwrap()[0].report().outer,
        outer.report().outer
    );
}

#[test]
fn run_goes_on_only_where_nothing_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = quick(folder.path());
    let out = folder.path().join("run");
    let error = limbeck::resume(&out, &Silent).unwrap_err().to_string();
    assert!(error.contains("no unfinished run"), "{error}");
    std::panic::set_hook(Box::new(|_| {}));
    let killed = std::panic::catch_unwind(|| {
        distill(&recipe.check().unwrap(), &out, &Killed(20.into())).map(|_| ())
    });
    drop(std::panic::take_hook());
    assert!(killed.is_err());
    let unfinished = folder.path().join("run.unfinished");
    let refused = |what: &str| {
        let error = limbeck::resume(&out, &Silent).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    // Begun is begun, whoever asks.
    let error = distill(&recipe.check().unwrap(), &out, &Silent)
        .unwrap_err()
        .to_string();
    assert!(error.contains("--resume"), "{error}");
    assert_eq!(
        limbeck::run::unfinished(folder.path()),
        [(out.clone(), false)]
    );
    let lock = std::fs::File::open(unfinished.join("lock")).unwrap();
    lock.lock().unwrap();
    refused("another process");
    assert_eq!(
        limbeck::run::unfinished(folder.path()),
        [(out.clone(), true)]
    );
    drop(lock);
    let table = std::fs::read_to_string(&recipe.table).unwrap();
    let last = table.trim_end().rfind('\n').unwrap();
    std::fs::write(&recipe.table, &table[..=last]).unwrap();
    refused("has changed since the run");
    // The same rows and figures, two of them exchanged.
    let mut lines: Vec<&str> = table.lines().collect();
    lines.swap(1, 2);
    std::fs::write(&recipe.table, lines.join("\n")).unwrap();
    refused("has changed since the run");
    std::fs::write(&recipe.table, &table).unwrap();
    let ticket = std::fs::read_to_string(unfinished.join("resume.json")).unwrap();
    std::fs::write(
        unfinished.join("resume.json"),
        ticket.replace("\"version\": \"0", "\"version\": \"9"),
    )
    .unwrap();
    refused("started by limbeck 9");
    std::fs::write(unfinished.join("resume.json"), &ticket[..40]).unwrap();
    refused("damaged");
    std::fs::write(unfinished.join("resume.json"), ticket).unwrap();
    // Damaged pieces are made again.
    for piece in files_below(&unfinished)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|found| found == "piece"))
    {
        let mut bytes = std::fs::read(&piece).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(&piece, bytes).unwrap();
    }
    limbeck::resume(&out, &Silent).unwrap();
    let whole = folder.path().join("whole");
    distill(&recipe.check().unwrap(), &whole, &Silent).unwrap();
    assert_eq!(contents(&out), contents(&whole));
    let log = std::fs::read_to_string(out.join("log.txt")).unwrap();
    assert!(
        log.contains("computed again")
            && log.contains("search on validation rows")
            && log.ends_with("done\n"),
        "{log}"
    );
    assert!(
        !unfinished.exists()
            && !out.join("resume.json").exists()
            && !out.join("lock").exists()
            && !out.join("checkpoints").exists()
    );
}
