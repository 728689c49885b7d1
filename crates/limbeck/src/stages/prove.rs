//! Tests the trained students: makes the report, the shipped file, and the predictions on test rows.

use std::collections::BTreeMap;

use limbeck_data::{Column, LearnedUnit, Table};
use limbeck_distill::search::{Choice, KnownRows, Refitted, Search, Stage, Study, Trial};
use limbeck_distill::student::{StudentKind, StudentOptions};
use limbeck_nets::Shape;
use limbeck_runtime::{GoldenValue, Intervals, Memory, Stream, Student, Value};

use super::baselines::{self, ShippedFile};
use super::calibrate::{self, Calibration, Held};
use super::early;
use super::golden::{as_value, golden_row};
use super::judge::{Judge, Judged};
use super::students::{Cut, Known, ProofOptions, Students, StudyOptions, Trained};
use super::timing::{best_microseconds, peak_memory_bytes};
use crate::error::Result;
use crate::report::prediction_intervals::LevelReport;
use crate::report::{
    self, Answers, BaselineModel, BaselinesReport, CalibratedOn, FileReport, Fold, JointReport,
    Measured, MeasuresReport, NaiveScores, Outer, Predicted, PredictionIntervals, Report, Rows,
    SeedScores, Selection, Shipped, ShippedKind, Size, Sizes, StudentReport, StudentScores,
    TestScores, Tested, TrialReport, prediction_intervals, verdict,
};
use crate::run::curves;
use crate::run::files::PREDICTIONS;
use crate::session::Session;

/// The test results of a run, and the student that it ships.
pub(crate) struct Proven {
    pub(crate) student: Student,
    pub(crate) report: Report,
    pub(crate) answers: Answers,
    pub(crate) test: KnownRows,
    pub(crate) predictions: Table,
    /// `weights[training][layer]`: final weights of the network of each training of the run.
    pub(crate) weights: Vec<Vec<Vec<f32>>>,
}

/// Number of golden vectors (example rows with their predictions) in a student's file.
const EXAMPLES: usize = 16;

/// What is needed to test the students on one of their targets.
pub(crate) struct Case<'a> {
    options: StudyOptions<'a>,
    proof: ProofOptions<'a>,
    notes: &'a [String],
    session: &'a Session<'a>,
    /// Index of this target in the list of all targets that the students predict.
    at: usize,
    known: Known<'a>,
}

impl Students<'_> {
    /// What is needed to test the students on the target at index `at`.
    pub(crate) fn case(&self, at: usize) -> Case<'_> {
        Case {
            options: self.options,
            proof: self.proof,
            notes: self.notes,
            session: self.session,
            at,
            known: self.known[at],
        }
    }

    /// The shipped student of all targets, and its entry in the reports.
    ///
    /// # Errors
    ///
    /// If the runtime refuses a part of the student.
    pub(crate) fn joint(&self, trained: &Trained<'_>) -> Result<(Student, JointReport)> {
        let case = self.case(0);
        let (shipped, winner) = case.shipped(trained);
        let (provenance, examples) = (
            case.provenance(&shipped),
            case.examples(trained, case.kind_of(winner)),
        );
        let student = trained.stage.student(winner, provenance, examples)?;
        let student = self.with_intervals(trained, case.in_sequence(student)?)?;
        let names = student.outputs.iter().map(|output| output.name.clone());
        let report = JointReport {
            targets: names.collect(),
            parameters: student.parameters(),
            bytes: student.to_bytes()?.len(),
        };
        Ok((student, report))
    }

    /// The student of all targets with the prediction intervals of each, if they are calibrated on held-out rows.
    fn with_intervals(&self, trained: &Trained<'_>, student: Student) -> Result<Student> {
        let mut all: Option<Intervals> = None;
        for at in 0..student.outputs.len() {
            let case = self.case(at);
            let (shipped, winner) = case.shipped(trained);
            let (_, own) = case.size(trained, winner, &shipped)?;
            let made = case.intervals(trained, &own, |_| Ok(Held::default()))?;
            let Some((own, _)) = made else {
                return Ok(student);
            };
            match &mut all {
                None => all = Some(own),
                Some(all) => all.add(own),
            }
        }
        Ok(student.with_intervals(all)?)
    }
}

impl Case<'_> {
    /// Tests the trained students on one target. `joint` is the report's entry on a student of several targets; `None` if the students predict one
    /// target. If there is time, also calls `repeats`, which repeat the run on other splits.
    ///
    /// # Errors
    ///
    /// If the students cannot be tested on the test rows; [`Error::Interrupted`](crate::Error::Interrupted) if a stop leaves outer folds or baselines
    /// of other kinds unfinished.
    pub(crate) fn prove(
        &self,
        trained: &Trained<'_>,
        joint: Option<&JointReport>,
        repeats: &Repeats<'_>,
    ) -> Result<Proven> {
        let (options, session, judge) = (self.options, self.session, self.judge(trained));
        session.begin("test");
        let interrupted = session.is_stopped();
        let (shipped, winner) = self.shipped(trained);
        let (size, student) = self.size(trained, winner, &shipped)?;
        let answers = self.answers(trained, &student)?;
        let judged = judge.judged(trained.stage, trained.refits)?;
        let sizes = self.sizes(trained, &shipped)?;
        let test = self.scores(judge, &judged, &answers.shipped);
        let mut notes: Vec<String> = clamped(trained).into_iter().collect();
        if joint.is_none() {
            notes.extend(early::not_exported(self.proof.formats, &student));
        }
        notes.iter().for_each(|note| session.note(note));
        notes.extend(self.notes.iter().cloned());
        notes.extend(joint.map(|joint| joint.note(&self.known.data.spec().name)));
        let mut beside = Beside::default();
        let is_late = session.stop().is_late();
        if is_late {
            let note = late(trained.cut);
            session.note(&note);
            notes.push(note);
        }
        if trained.cut != Some(Cut::Search) && !interrupted && !is_late {
            beside = self.beside(
                trained,
                &shipped,
                (size, sizes),
                &test.0,
                &answers,
                repeats.outer,
            )?;
            notes.append(&mut beside.notes);
        }
        let is_alarming = verdict::is_alarming(options.objective.quantile, &test.0);
        let causes = if is_alarming {
            self.causes(&answers)
        } else {
            Vec::new()
        };
        let layers = trained.stage.layers(winner);
        let (student, prediction_intervals) =
            self.calibrated(trained, student, (judge, &answers), repeats, &mut notes)?;
        let report = Report {
            schema: report::SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            seed: options.seed,
            interrupted,
            target: self.known.data.spec().name.clone(),
            log_target: self.known.data.spec().unit == LearnedUnit::Log,
            quantile: options.objective.quantile,
            data: self.known.data.summary.clone(),
            teacher: self.known.labels.summary.clone(),
            student: StudentReport {
                kind: size.kind,
                parameters: size.parameters,
                bytes: student.to_bytes()?.len(),
                hidden: layers.map_or_else(Vec::new, |shape| shape.hidden().to_vec()),
                inputs: match layers {
                    Some(Shape::Mlp(shape)) => shape.input().rows(),
                    _ => student.encoder.width(),
                },
            },
            joint: joint.cloned(),
            notes,
            sizes,
            baselines: beside.baselines,
            file: beside.file,
            outer: beside.outer,
            selection: Selection {
                baseline: self.seen(trained, &trained.choice.baseline),
                distilled: self.seen(trained, &trained.choice.distilled),
                closed_form_alpha: trained.choice.closed_form,
            },
            shipped,
            naive: self.naive(judge, &answers),
            measures: self.measures(trained, &judged, &answers)?,
            prediction_intervals,
            test: test.0,
            test_seeds: test.1,
            proof: verdict::without_gains(judged.proof, is_alarming),
            measured: self.measure(&student, judge),
        };
        Ok(Proven {
            predictions: self.predictions(judge, &answers),
            test: judge.test.clone(),
            report: verdict::spoken(report, &causes),
            weights: self.weights(trained),
            student,
            answers,
        })
    }

    /// The shipped student with prediction intervals, and their coverage on test rows, if the recipe asks for them. Notes on them are added to `notes`.
    fn calibrated(
        &self,
        trained: &Trained<'_>,
        student: Student,
        (judge, answers): (&Judge<'_>, &Answers),
        repeats: &Repeats<'_>,
        notes: &mut Vec<String>,
    ) -> Result<(Student, Option<PredictionIntervals>)> {
        let session = self.session;
        if *self.known.calibration == Calibration::None {
            return Ok((student, None));
        }
        let folds = self.known.calibration.folds();
        if folds > 0 && session.is_over() {
            let note = "the run ended before prediction intervals were calibrated, so the student has none";
            session.note(note);
            notes.push(note.to_owned());
            return Ok((student, None));
        }
        let made = session.time("prediction intervals", || {
            self.intervals(trained, &student, repeats.calibrate)
        });
        let made = match made {
            Err(error) if folds > 0 && !error.is_interruption() => Err(error.to_string()),
            other => other?.ok_or_else(|| {
                "its errors on the calibration rows are not finite numbers".to_owned()
            }),
        };
        let (intervals, mut report) = match made {
            Ok(made) => made,
            Err(why) => {
                let note = format!("the student has no prediction intervals: {why}");
                session.note(&note);
                notes.push(note);
                return Ok((student, None));
            }
        };
        let student = student.with_intervals(Some(intervals))?;
        let rows = prediction_intervals::Rows {
            target: &judge.target,
            prediction: &answers.shipped,
            weight: &judge.test.weight,
            blocks: judge.test.blocks.as_deref(),
            are_groups: self.known.data.group_blocks().is_some(),
        };
        let levels = prediction_intervals::levels(&student, self.proof.calibration.levels);
        let level = |&level: &f64| LevelReport::of(&student, level, &rows);
        report.levels = levels.iter().filter_map(level).collect();
        notes.extend(calibrate::notes(
            self.proof.calibration,
            self.known.data,
            &report,
        ));
        Ok((student, Some(report)))
    }

    /// The prediction intervals of the shipped student, and the beginning of their report. `folds` predicts the rows of calibration folds. `None` if
    /// none are asked for, or if errors are not finite.
    fn intervals(
        &self,
        trained: &Trained<'_>,
        student: &Student,
        folds: impl Fn(usize) -> Result<Held>,
    ) -> Result<Option<(Intervals, PredictionIntervals)>> {
        let data = self.known.data;
        let held = match self.known.calibration {
            Calibration::None => return Ok(None),
            Calibration::HeldOut(rows) => {
                (CalibratedOn::HeldOut, calibrate::held(data, student, rows)?)
            }
            Calibration::Folds(count) => (CalibratedOn::Folds, folds(*count)?),
        };
        let learn = match trained.cut {
            // Students of the search learned from training rows only.
            Some(Cut::Search | Cut::AllRefits) => data.split.train.clone(),
            Some(Cut::Refits) | None => data.split.train_valid(),
        };
        calibrate::intervals(
            self.proof.calibration,
            (data, &learn),
            student,
            (held.0, &held.1),
        )
    }

    /// Predictions of the test rows by the student that would be shipped, for one calibration fold.
    pub(crate) fn predicted_test(&self, trained: &Trained<'_>) -> Result<Held> {
        let (shipped, winner) = self.shipped(trained);
        let (_, student) = self.size(trained, winner, &shipped)?;
        calibrate::held(self.known.data, &student, &self.judge(trained).test.rows)
    }

    fn judge<'t>(&self, trained: &Trained<'t>) -> &'t Judge<'t> {
        &trained.judges[self.at]
    }

    /// The trials as entries of the report, with their validation errors on this target.
    fn seen(&self, trained: &Trained<'_>, trials: &[Trial]) -> Vec<TrialReport> {
        let seen = |trial: &Trial| (&trained.search.of_target(trial, self.at)).into();
        trials.iter().map(seen).collect()
    }

    /// The test errors of teacher and students, for one outer fold.
    pub(crate) fn errors(&self, trained: &Trained<'_>) -> Result<Fold> {
        let judge = self.judge(trained);
        let (shipped, winner) = self.shipped(trained);
        let answers = judge.answers(trained.stage, winner)?;
        let judged = judge.judged(trained.stage, trained.refits)?;
        let (test, _) = self.scores(judge, &judged, &answers);
        Ok(Fold {
            learned: self.known.data.split.train_valid().len(),
            tested: judge.target.len(),
            teacher: test.teacher.error(),
            baseline: test.baseline.error(),
            distilled: test.distilled.error(),
            shipped: test.shipped.error(),
            ships: shipped.kind,
            taught: judge.taught(trained.refits),
        })
    }

    /// Which student is shipped (the better one on validation rows), and the refit of it that the file contains.
    fn shipped<'t>(&self, trained: &Trained<'t>) -> (Shipped, &'t Trial) {
        let Trained {
            baseline,
            distilled,
            search,
            ref files,
            ..
        } = *trained;
        let (kind, trial, repeat) = match trained.distilled_ships() {
            true => (ShippedKind::Distilled, files.distilled, files.repeats[1]),
            false => (ShippedKind::Baseline, files.baseline, files.repeats[0]),
        };
        let shipped = Shipped {
            kind,
            setting: trial.setting,
            steps: trial.stop,
            seed: self.options.seed + repeat as u64,
            valid_error_teacher: search.valid_error_teacher_of(self.at),
            valid_error_baseline: search.of_target(baseline, self.at).valid_error,
            valid_error_distilled: search.of_target(distilled, self.at).valid_error,
        };
        (shipped, trial)
    }

    /// Test metrics of teacher and students (the students' as means over seeds), and the students' metrics for each seed.
    fn scores(
        &self,
        judge: &Judge<'_>,
        judged: &Judged,
        shipped: &[f64],
    ) -> (TestScores, Vec<SeedScores>) {
        let Judge {
            measure,
            ref target,
            ref teacher,
            ref test,
            ..
        } = *judge;
        let scores = |pred: &[f64]| -> StudentScores {
            report::student_scores(measure, pred, teacher, target, &test.weight)
        };
        let seeds: Vec<SeedScores> = (self.options.seed..)
            .zip(judged.baseline.iter().zip(&judged.distilled))
            .map(|(seed, (baseline, distilled))| SeedScores {
                seed,
                baseline: scores(baseline),
                distilled: scores(distilled),
            })
            .collect();
        let mean = |side: &dyn Fn(&SeedScores) -> StudentScores| {
            report::mean_scores(&seeds.iter().map(side).collect::<Vec<_>>())
        };
        let test = TestScores {
            teacher: report::teacher_scores(measure, teacher, target, &test.weight),
            baseline: mean(&|seed| seed.baseline),
            distilled: mean(&|seed| seed.distilled),
            shipped: scores(shipped),
        };
        (test, seeds)
    }

    /// Makes the student of a trial. Returns its kind and size, and the student. `shipped` gives the facts on the student's origin, such as its seed,
    /// that are stored in its file.
    fn size(
        &self,
        trained: &Trained<'_>,
        trial: &Trial,
        shipped: &Shipped,
    ) -> Result<(Size, Student)> {
        let (provenance, examples) = (
            self.provenance(shipped),
            self.examples(trained, self.kind_of(trial)),
        );
        let student = (trained.stage).student_of(trial, self.at, provenance, examples)?;
        let student = self.in_sequence(student)?;
        let size = Size {
            kind: self.kind_of(trial),
            parameters: student.parameters(),
            bytes: student.to_bytes()?.len(),
        };
        Ok((size, student))
    }

    /// The kind of the networks of this run.
    fn network(&self) -> StudentKind {
        let cell = self.options.student.kind.cell();
        cell.map_or(StudentKind::Mlp, StudentKind::of_cell)
    }

    fn kind_of(&self, trial: &Trial) -> StudentKind {
        match trial.setting.spec {
            Some(_) => trial.setting.kind(),
            None => self.network(),
        }
    }

    /// Sizes of both students; `None` if both are networks of the same design.
    fn sizes(&self, trained: &Trained<'_>, shipped: &Shipped) -> Result<Option<Sizes>> {
        let files = &trained.files;
        let design = |trial: &Trial| (trial.setting.kind(), trial.setting.size.to_bits());
        if files.baseline.setting.kind() == StudentKind::Mlp
            && design(files.baseline) == design(files.distilled)
        {
            return Ok(None);
        }
        let size = |trial: &Trial| self.size(trained, trial, shipped).map(|(size, _)| size);
        Ok(Some(Sizes {
            baseline: size(files.baseline)?,
            distilled: size(files.distilled)?,
        }))
    }

    /// Test errors of forecasts from the target's own past alone.
    fn naive(&self, judge: &Judge<'_>, answers: &Answers) -> Vec<NaiveScores> {
        let tested = Tested {
            target: &judge.target,
            weight: &judge.test.weight,
            teacher: &judge.teacher,
            shipped: &answers.shipped,
        };
        let naive = self.known.data.naive.iter();
        let scores = naive.filter_map(|naive| NaiveScores::of(naive, &judge.test.rows, &tested));
        scores.collect()
    }

    /// Further measures of teacher, students and judges; `None` if none applies, or if a quantile is predicted.
    fn measures(
        &self,
        trained: &Trained<'_>,
        judged: &Judged,
        answers: &Answers,
    ) -> Result<Option<MeasuresReport>> {
        let (judge, data, kinds) = (self.judge(trained), self.known.data, self.proof.measures);
        if self.options.objective.quantile.is_some() || data.naive.is_empty() && kinds.is_empty() {
            return Ok(None);
        }
        let learn = data.split.train_valid();
        let is_needed = report::needs_training_rows(kinds);
        let student = |trial: &Trial| judge.answers_of((data, &learn), trained.stage, trial);
        let train = |trials: Vec<&Trial>| -> Result<Vec<Vec<f64>>> {
            let trials = trials.into_iter().filter(|_| is_needed);
            trials.map(student).collect()
        };
        let sides = |side: fn(&Refitted) -> &Trial| trained.refits.iter().map(side).collect();
        let (_, winner) = self.shipped(trained);
        let labels = || judge.teacher_of(data, &self.known.labels.known(data, &learn));
        let mut models = vec![
            Predicted {
                name: "teacher".into(),
                test: vec![answers.teacher.clone()],
                train: is_needed.then(labels).into_iter().collect(),
            },
            Predicted {
                name: "baseline".into(),
                test: judged.baseline.clone(),
                train: train(sides(|pair| &pair.baseline))?,
            },
            Predicted {
                name: "distilled".into(),
                test: judged.distilled.clone(),
                train: train(sides(|pair| &pair.distilled))?,
            },
            Predicted {
                name: "shipped".into(),
                test: vec![answers.shipped.clone()],
                train: train(vec![winner])?,
            },
        ];
        let pick =
            |values: &[f64], rows: &[usize]| vec![rows.iter().map(|&row| values[row]).collect()];
        models.extend(data.naive.iter().map(|naive| Predicted {
            name: naive.name.clone(),
            test: pick(&naive.predictions, &judge.test.rows),
            train: pick(&naive.predictions, &learn),
        }));
        let rows = Rows {
            data,
            kinds,
            rows: &judge.test.rows,
            target: &judge.target,
            weight: &judge.test.weight,
            blocks: judge.test.blocks.as_deref(),
        };
        Ok(MeasuresReport::of(&rows, &models))
    }

    /// The student with the description of the series on which it was trained, if the rows form series.
    fn in_sequence(&self, student: Student) -> Result<Student> {
        let sequence = self.known.data.summary.sequence().cloned();
        Ok(student.with_sequence(sequence)?)
    }

    fn provenance(&self, shipped: &Shipped) -> BTreeMap<String, String> {
        // Files say `alone` for the baseline, as in all versions.
        let kind = match shipped.kind {
            ShippedKind::Baseline => "alone",
            ShippedKind::Distilled => "distilled",
        };
        let quantile = self
            .options
            .objective
            .quantile
            .map(|quantile| ("quantile".to_owned(), quantile.to_string()));
        let own = [
            ("limbeck".into(), env!("CARGO_PKG_VERSION").into()),
            ("seed".into(), shipped.seed.to_string()),
            ("kind".into(), kind.into()),
            ("teacher".into(), self.known.labels.summary.kind.clone()),
            ("steps".into(), shipped.steps.to_string()),
        ];
        own.into_iter().chain(quantile).collect()
    }

    /// Raw rows for golden vectors: synthetic ones if there are any, so that a file reveals no row of the user's table.
    fn examples(&self, trained: &Trained<'_>, kind: StudentKind) -> Vec<Vec<GoldenValue>> {
        let labels = self.known.labels;
        let (source, rows) = match labels.new.made.min(labels.new.features.rows) {
            0 => (trained.train(), trained.train().rows),
            made => (&*labels.new.features, made),
        };
        // A recurrent student reads fewer columns.
        let steps;
        let source = match kind.cell() {
            Some(_) => {
                let read = trained.stage.step_columns();
                steps = source.only(|column| read.contains(&column.name));
                &steps
            }
            None => source,
        };
        let step = (rows / EXAMPLES).max(1);
        (0..rows)
            .step_by(step)
            .take(EXAMPLES)
            .enumerate()
            .map(|(example, row)| golden_row(source, row, example))
            .collect()
    }

    /// Predictions on test rows: of the teacher, of the shipped student, and, for each of the two students, of the refit that is chosen for its file.
    fn answers(&self, trained: &Trained<'_>, shipped: &Student) -> Result<Answers> {
        let judge = self.judge(trained);
        let features = &judge.test.features;
        Ok(Answers {
            target: judge.target.clone(),
            teacher: judge.teacher.clone(),
            baseline: judge.answers(trained.stage, trained.files.baseline)?,
            distilled: judge.answers(trained.stage, trained.files.distilled)?,
            shipped: limbeck_distill::predict(shipped, features)?,
        })
    }

    /// The table `predictions.parquet`: test rows with all predictions.
    fn predictions(&self, judge: &Judge<'_>, answers: &Answers) -> Table {
        // Positions in the table from 0, as in the labels.
        let row = judge
            .test
            .rows
            .iter()
            .map(|&row| self.known.data.rows[row] as f64)
            .collect();
        let sides = [
            ("target", &answers.target),
            ("weight", &judge.test.weight),
            ("teacher", &answers.teacher),
            ("baseline", &answers.baseline),
            ("distilled", &answers.distilled),
            ("shipped", &answers.shipped),
        ];
        let sides = sides.map(|(name, values)| Column::number(name, values.clone()));
        // Rows of a block are resampled together.
        let blocks =
            judge.test.blocks.as_ref().map(|blocks| {
                Column::number("block", blocks.iter().copied().map(f64::from).collect())
            });
        let columns: Vec<Column> = std::iter::once(Column::number("row", row))
            .chain(sides)
            .chain(blocks)
            .collect();
        Table {
            columns,
            rows: answers.target.len(),
            source: PREDICTIONS.into(),
            whole: ["row", "block"].map(str::to_owned).to_vec(),
            ..Table::default()
        }
    }

    /// `weights[training][layer]`: the final weights of all trainings of the run. Networks can have other sizes in the search than in the refit, so
    /// each training has the layers of its own phase.
    fn weights(&self, trained: &Trained<'_>) -> Vec<Vec<Vec<f32>>> {
        curves::trainings(self.options.seed, trained.choice, trained.refits)
            .iter()
            .map(|(training, trial)| {
                let stage = if training.phase == "refit" {
                    trained.stage
                } else {
                    trained.search.first()
                };
                let layers = stage.weights(trial);
                layers.into_iter().map(<[f32]>::to_vec).collect()
            })
            .collect()
    }

    /// Likely reasons why a student or the teacher is no better than predicting the mean.
    fn causes(&self, answers: &Answers) -> Vec<String> {
        verdict::causes(&verdict::Answered {
            target: self.known.data.target(),
            rows: &self.known.data.rows,
            answers: &answers.teacher,
            truth: &answers.target,
            is_imported: self.proof.is_imported,
        })
    }

    fn measure(&self, student: &Student, judge: &Judge<'_>) -> Measured {
        let test = &judge.test.features;
        let batch = best_microseconds(1, || {
            let _ = std::hint::black_box(limbeck_distill::predict(student, test));
        });
        let one = match student.memory {
            Some(_) => one_of_stream(student, test),
            None => one_row(student, test),
        };
        Measured {
            seconds: self.session.seconds(),
            stages: self.session.stages(),
            student_us_per_row: batch / rows_run(student, test).max(1) as f64,
            student_us_one_row: one,
            teacher_us_per_row: self.known.labels.us_per_row,
            peak_memory_bytes: peak_memory_bytes(),
            threads: rayon::current_num_threads(),
        }
    }
}

/// Number of rows that the student runs for predictions of `rows`: if it carries its state, these are all rows of the series up to the last of `rows`,
/// each of which it predicts in passing.
fn rows_run(student: &Student, rows: &limbeck_data::Features) -> usize {
    let past = rows.past.as_ref();
    let Some(past) = past.filter(|_| student.memory == Some(Memory::Carried)) else {
        return rows.rows;
    };
    let mut lasts: BTreeMap<u32, u32> = BTreeMap::new();
    for &at in &past.at {
        let last = lasts.entry(past.starts[at as usize]).or_default();
        *last = at.max(*last);
    }
    let rows = lasts.iter().map(|(start, last)| last - start + 1);
    rows.sum::<u32>() as usize
}

/// Microseconds of the prediction of a single row.
fn one_row(student: &Student, rows: &limbeck_data::Features) -> f64 {
    let row: Vec<GoldenValue> = golden_row(rows, 0, 0);
    let row: Vec<Value<'_>> = row.iter().map(as_value).collect();
    let mut scratch = limbeck_runtime::Scratch::default();
    best_microseconds(2000, || {
        let _ = std::hint::black_box(student.predict_row_with(&row, &mut scratch));
    })
}

/// Microseconds of the prediction of one row after the other, in a stream whose memory is full.
fn one_of_stream(student: &Student, rows: &limbeck_data::Features) -> f64 {
    const MANY: usize = 2000;
    let mut stream = Stream::new(student);
    let row = golden_row(rows, 0, 0);
    let value = |name: &String| {
        let own = rows.columns.iter().position(|column| column.name == *name);
        own.map_or(Value::Missing, |at| as_value(&row[at]))
    };
    let row: Vec<Value<'_>> = stream.inputs().iter().map(value).collect();
    (0..MANY).for_each(|_| drop(stream.push(&row)));
    best_microseconds(MANY, || {
        let _ = std::hint::black_box(stream.push(&row));
    })
}

/// Functions that repeat the whole run.
pub(crate) struct Repeats<'a> {
    /// On other splits of the rows.
    pub(crate) outer: RepeatOuter<'a>,
    /// In folds of the training and validation rows, given their number. It returns the predictions of all folds.
    pub(crate) calibrate: &'a dyn Fn(usize) -> Result<Held>,
}

/// A function that repeats the whole run on other splits of the rows. It returns the results (`None` without any), and a note on folds that were left
/// out.
pub(crate) type RepeatOuter<'a> = &'a dyn Fn() -> Result<(Option<Outer>, Option<String>)>;

/// Results besides those of the two students: baselines of other kinds, and outer folds (the whole run repeated on other splits).
#[derive(Default)]
struct Beside {
    baselines: Option<BaselinesReport>,
    file: Option<FileReport>,
    outer: Option<Outer>,
    notes: Vec<String>,
}

impl Case<'_> {
    fn beside(
        &self,
        trained: &Trained<'_>,
        shipped: &Shipped,
        (size, sizes): (Size, Option<Sizes>),
        test: &TestScores,
        answers: &Answers,
        repeat_outer: RepeatOuter<'_>,
    ) -> Result<Beside> {
        let (session, judge) = (self.session, self.judge(trained));
        let mut beside = Beside::default();
        let models = session.time("baseline models", || {
            self.baseline_models(trained, shipped, sizes, &test.baseline)
        });
        match models {
            // A baseline is not fair if its search was ended early.
            Ok(_) if session.stop().is_late() => {
                let note =
                    "the time limit ended the training of baselines of other kinds of student (such as boosted trees), so these baselines are left out; use a longer time limit";
                session.note(note);
                beside.notes.push(note.to_owned());
            }
            Ok((models, others)) => {
                let file = ShippedFile {
                    kind: shipped.kind,
                    size,
                    valid_error: match shipped.kind {
                        ShippedKind::Baseline => shipped.valid_error_baseline,
                        ShippedKind::Distilled => shipped.valid_error_distilled,
                    },
                    answers: &answers.shipped,
                };
                let rows = baselines::Judged {
                    target: &judge.target,
                    teacher: &judge.teacher,
                    weight: &judge.test.weight,
                    blocks: judge.test.blocks.as_deref(),
                };
                let measure = judge.measure;
                if let Some((baselines, gain)) =
                    baselines::judge(models, &others, &file, &rows, measure, self.proof.worth)
                {
                    (beside.baselines, beside.file) = (Some(baselines), gain);
                }
            }
            Err(error) if error.is_interruption() => return Err(error),
            // If these baselines fail, the run goes on: only a part of the report is missing.
            Err(error) => session.note(&format!(
                "baselines of other kinds of student (such as boosted trees) could not be trained: {error}"
            )),
        }
        match session.time("outer folds", repeat_outer) {
            Ok((found, note)) => {
                note.iter().for_each(|note| session.note(note));
                beside.outer = found;
                beside.notes.extend(note);
            }
            Err(error) if error.is_interruption() => return Err(error),
            // The run itself is complete: only the outer folds are missing.
            Err(error) => {
                let note = format!(
                    "the outer folds failed, so the report has no results on other splits: {error}"
                );
                session.note(&note);
                beside.notes.push(note);
            }
        }
        Ok(beside)
    }

    /// The best baseline of each kind, and the predictions of the file of each on test rows.
    fn baseline_models(
        &self,
        trained: &Trained<'_>,
        shipped: &Shipped,
        sizes: Option<Sizes>,
        baseline: &StudentScores,
    ) -> Result<(Vec<BaselineModel>, Vec<Vec<f64>>)> {
        let judge = self.judge(trained);
        let own = baselines::Fitted {
            chosen: trained.search.of_target(trained.baseline, self.at),
            refitted: trained.files.baseline.clone(),
        };
        let fitted = self.baseline_fits(trained, own)?;
        let own = sizes.map_or(self.network(), |sizes| sizes.baseline.kind);
        let model = |fitted: &baselines::Fitted| -> Result<(BaselineModel, Vec<f64>)> {
            let (size, student) = self.size(trained, &fitted.refitted, shipped)?;
            let features = &judge.test.features;
            let answers = limbeck_distill::predict(&student, features)?;
            let test = match size.kind == own {
                true => *baseline,
                false => report::student_scores(
                    judge.measure,
                    &answers,
                    &judge.teacher,
                    &judge.target,
                    &judge.test.weight,
                ),
            };
            let model = BaselineModel {
                size,
                spec: fitted.chosen.setting.spec,
                valid_error: fitted.chosen.valid_error,
                test,
            };
            Ok((model, answers))
        };
        let models: Vec<(BaselineModel, Vec<f64>)> =
            fitted.iter().map(model).collect::<Result<_>>()?;
        Ok(models.into_iter().unzip())
    }
}

impl Case<'_> {
    /// The baseline student `own`, and the best baseline of each other kind; only `own` if a quantile is predicted. With several targets, a baseline
    /// of another kind predicts one target, with an equal part of the budget of parameters.
    fn baseline_fits(
        &self,
        trained: &Trained<'_>,
        own: baselines::Fitted,
    ) -> Result<Vec<baselines::Fitted>> {
        let (options, targets) = (self.options, trained.judges.len());
        // Students of other kinds predict means, not quantiles.
        if options.objective.quantile.is_some() {
            return Ok(vec![own]);
        }
        let (search, stage) = (trained.search, trained.stage);
        if targets == 1 {
            return baselines::fit(search, stage, trained.choice, own, options.seed);
        }
        let student = StudentOptions {
            kind: StudentKind::Linear,
            params: options.student.params / targets,
            ..options.student.clone()
        };
        let study = Study {
            student: &student,
            ..options.study(&self.known.data.targets.specs, self.session)
        };
        let stages = trained.rows.iter().map(|targets| {
            let (set, valid) = &targets[self.at];
            Stage::new(&study, set, Some(valid))
        });
        let search = Search::new(stages.collect::<Result<_, _>>()?);
        let refit = Stage::new(&study, &trained.sets[self.at], None)?;
        baselines::fit(&search, &refit, &Choice::default(), own, options.seed)
    }
}

/// The note on what the time limit left out. `cut` is the part of the search or the refits that was left out; `None` if only baselines of other kinds
/// were.
fn late(cut: Option<Cut>) -> String {
    let what = match cut {
        Some(Cut::Search) => "before the search was complete. The students are the best ones so far: trained once, and on training rows only",
        Some(Cut::AllRefits) => {
            "before any student was trained again on training and validation rows. The students are those of the search: trained once, and on \
             training rows only"
        }
        Some(Cut::Refits) => "before the students were trained with all seeds. The results are of the seeds that were complete",
        // No training was ended early.
        None => return "the time limit left no time to train baselines of other kinds of student (such as boosted trees); use a longer time limit".into(),
    };
    format!(
        "the time limit ended the run {what}. No baselines of other kinds of student (such as boosted trees) were trained. Another run of this \
         recipe may give other results; use a longer time limit"
    )
}

/// A note on labels and test targets outside the bins of a student whose head predicts probabilities of bins. `None` if the bins hold all of them, or
/// without such a head.
fn clamped(trained: &Trained<'_>) -> Option<String> {
    let test = &trained.judges[0].test.target;
    let (beyond, labels) = trained.stage.beyond_bins()?;
    let targets = test
        .iter()
        .filter(|&&y| trained.stage.is_beyond_bins(y))
        .count();
    (beyond + targets > 0).then(|| {
        format!(
            "with `head = binned`, the student predicts only values in the range of its bins, which reaches a little beyond the training targets: \
             {beyond} of {labels} targets and teacher labels are outside of it and are learned as its nearest end, and {targets} of {} test targets are \
             outside of it and cannot be predicted; if this matters, use another head",
            test.len()
        )
    })
}
