//! Derives the answer of a preflight from the results of the pilots.

use limbeck_distill::proof::short;

use super::figures::{Answer, LearningCurve, Outlook, Paired, Rmse, RowCounts, Share, TeacherFit};
use super::rules;

/// The results that the verdict is based on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Findings {
    pub(super) rows: RowCounts,
    /// Smallest saving that pays, as a share of the baseline's RMSE.
    pub(super) worth: f64,
    pub(super) teacher_gap: Paired,
    pub(super) saved: Paired,
    /// Standard error of the mean of `saved`, from the differences between pilots.
    pub(super) over_pilots: f64,
    pub(super) rmse: Rmse,
    pub(super) teacher_fit: Option<TeacherFit>,
    pub(super) closed_form: Option<Share>,
    pub(super) learning_curve: LearningCurve,
}

/// The answer by the rules of [`Outlook`].
pub(super) fn judge(found: &Findings) -> Outlook {
    let expected = expected(found);
    let (chance, saving) = expected.map_or(
        (
            0.0,
            Share {
                value: 0.0,
                low: 0.0,
                high: 0.0,
            },
        ),
        |expected| (expected.chance(found.worth), expected.saving()),
    );
    let kind = if chance >= rules::PAYS_FROM {
        Answer::Pays
    } else if chance <= rules::WILL_NOT_UP_TO {
        Answer::WillNotPay
    } else {
        Answer::Unsure
    };
    Outlook {
        kind,
        worth: found.worth,
        chance,
        saving,
        reasons: reasons(found),
    }
}

/// Forecast of how much the full run lowers the squared error, as a share of the baseline's squared error: a normal distribution.
#[derive(Clone, Copy, Debug)]
struct Expected {
    mean: f64,
    standard_deviation: f64,
}

impl Expected {
    fn chance(self, worth: f64) -> f64 {
        normal((self.mean - (1.0 - (1.0 - worth).powi(2))) / self.standard_deviation)
    }

    /// The expected saving as a share of the baseline's RMSE, with its 95 % interval.
    fn saving(self) -> Share {
        let of_rmse = |share: f64| 1.0 - (1.0 - share).max(0.0).sqrt();
        let reach = rules::INTERVAL * self.standard_deviation;
        Share {
            value: of_rmse(self.mean),
            low: of_rmse(self.mean - reach),
            high: of_rmse(self.mean + reach),
        }
    }
}

/// The expected saving of the full run; `None` if the baseline makes no error, so that nothing can be saved.
fn expected(found: &Findings) -> Option<Expected> {
    let scale = found.rmse.baseline.powi(2);
    if scale <= 0.0 {
        return None;
    }
    let (saved, rows) = (found.saved.mean / scale, found.saved.standard_error / scale);
    let lead = (found.teacher_gap.mean / scale).clamp(-rules::LEAD_CLAMP, rules::LEAD_CLAMP);
    let expected = rules::PRIOR + rules::PRIOR_LEAD * lead;
    // Two measurements that are equal by chance do not mean that there is no error.
    let own = (rows.powi(2) + (found.over_pilots / scale).powi(2)).max(f64::MIN_POSITIVE);
    let prior = rules::PRIOR_SD.powi(2);
    let variance = 1.0 / (1.0 / own + 1.0 / prior);
    let mean = variance * (saved / own + expected / prior);
    let full = rows * (found.rows.held_out as f64 / found.rows.test.max(1) as f64).sqrt();
    let growth = growth(&found.rows);
    let left = growth.powf(rules::CURVE * found.learning_curve.slope.clamp(-1.0, 0.0));
    let total = left * left * variance
        + rules::LUCK.powi(2)
        + (rules::GROWTH * growth.ln()).powi(2)
        + full.powi(2);
    Some(Expected {
        mean: left * mean,
        standard_deviation: total.sqrt(),
    })
}

/// The number of rows that the students of the full run are fitted on, divided by the number for a pilot's students; at least 1. The full run uses
/// all rows of the table except test rows. A pilot uses all rows of the sample except its held-out rows.
fn growth(rows: &RowCounts) -> f64 {
    let pilot = rows.sampled as f64 - rows.held_out as f64 / rows.pilots.max(1) as f64;
    (rows.available as f64 / pilot.max(1.0)).max(1.0)
}

/// Standard error of the mean saving in squared error, from the differences between pilots; 0 for a single pilot.
pub(super) fn over_pilots(pilots: &[Rmse]) -> f64 {
    let saved: Vec<f64> = pilots
        .iter()
        .map(|pilot| pilot.baseline.powi(2) - pilot.distilled.powi(2))
        .collect();
    let (count, mean) = (
        saved.len() as f64,
        saved.iter().sum::<f64>() / saved.len() as f64,
    );
    let squares: f64 = saved.iter().map(|saved| (saved - mean).powi(2)).sum();
    (squares / (count - 1.0).max(1.0) / count).sqrt()
}

/// The standard normal distribution function at `z`.
fn normal(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// The reasons, the most important first: the students' errors, whether the teacher is better, and what may differ on the whole table.
fn reasons(found: &Findings) -> Vec<String> {
    let Findings {
        rows,
        teacher_gap,
        saved,
        rmse,
        teacher_fit,
        closed_form,
        learning_curve,
        over_pilots: _,
        worth: _,
    } = found;
    let mut reasons = vec![format!(
        "distilled student against the baseline (trained without the teacher), on {} held-out rows: RMSE {} against {}, squared error {}",
        rows.held_out,
        short(rmse.distilled),
        short(rmse.baseline),
        lead(saved)
    )];
    reasons.push(match teacher_gap.in_standard_errors() {
        z if z <= 0.0 => {
            format!("the teacher is no better than the baseline, the student trained without the teacher (RMSE {} against {}): a student can learn little from this teacher", short(rmse.teacher), short(rmse.baseline))
        }
        z if z < rules::INTERVAL => format!("the teacher is better than the baseline, but not significantly: squared error {}; a student may learn little from this teacher", lead(teacher_gap)),
        _ => format!("the teacher is better than the baseline: squared error {}", lead(teacher_gap)),
    });
    if let Some(share) = closed_form.filter(|share| share.low <= 0.0) {
        reasons.push(format!("training on targets alone is as good as training with teacher labels: the best share of teacher labels in the loss is {} (95 % interval {} to {}), not significantly above 0", short(share.value), short(share.low), short(share.high)));
    }
    if let Some(fit) = teacher_fit.filter(|fit| fit.ratio < rules::INTERPOLATES) {
        reasons.push(format!(
            "the teacher almost repeats the targets of rows it was fitted on (RMSE {} there, {} on other rows): only its out-of-fold labels are useful",
            short(fit.in_sample),
            short(fit.out_of_fold)
        ));
    }
    if learning_curve.slope < rules::STEEP && rows.available > rows.sampled {
        reasons.push(format!(
            "the baseline still improves much with more rows (slope of its learning curve: {}), and the table has {} rows, of which preflight used {}: a full run will probably save less than the pilots did",
            short(learning_curve.slope),
            rows.available,
            rows.sampled
        ));
    }
    reasons
}

fn lead(difference: &Paired) -> String {
    let side = if difference.mean >= 0.0 {
        "lower"
    } else {
        "higher"
    };
    format!(
        "{side} by {} (standard error {})",
        short(difference.mean.abs()),
        short(difference.standard_error)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: RowCounts = RowCounts {
        available: 5000,
        test: 1000,
        sampled: 2000,
        pilots: 1,
        train: 1200,
        held_out: 600,
    };

    /// Findings of a teacher that leads and a student that follows it.
    fn found() -> Findings {
        Findings {
            rows: ROWS,
            worth: 0.01,
            teacher_gap: Paired {
                mean: 4.0,
                standard_error: 1.0,
            },
            saved: Paired {
                mean: 3.0,
                standard_error: 1.0,
            },
            over_pilots: 0.5,
            rmse: Rmse {
                teacher: 4.0,
                baseline: 6.0,
                distilled: 5.0,
            },
            teacher_fit: Some(TeacherFit {
                out_of_fold: 4.0,
                in_sample: 3.0,
                ratio: 0.75,
            }),
            closed_form: Some(Share {
                value: 0.8,
                low: 0.5,
                high: 1.0,
            }),
            learning_curve: LearningCurve {
                half: 7.0,
                all: 6.0,
                slope: -0.1,
                gained: Paired {
                    mean: 13.0,
                    standard_error: 2.0,
                },
            },
        }
    }

    #[test]
    fn normal_agrees_with_tables() {
        for (z, p) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746),
            (1.96, 0.975_002_105),
            (-3.0, 0.001_349_898),
        ] {
            assert!((normal(z) - p).abs() < 1e-9, "{z}");
        }
    }

    #[test]
    fn expected_saving_is_worked_by_hand() {
        // Errors of 100: saved .04 ± .02 over rows and ± .015 over pilots, so s = .025; a lead of .1, so μ = .065.
        let findings = Findings {
            saved: Paired {
                mean: 4.0,
                standard_error: 2.0,
            },
            over_pilots: 1.5,
            teacher_gap: Paired {
                mean: 10.0,
                standard_error: 5.0,
            },
            rmse: Rmse {
                baseline: 10.0,
                ..found().rmse
            },
            rows: RowCounts {
                held_out: 900,
                test: 3600,
                available: 1100,
                ..ROWS
            },
            ..found()
        };
        // As many rows as a pilot has: v = 1 / (1600 + 1479.29), m = v (.04 · 1600 + .065 · 1479.29) = .0520101; t = .01:
        // d² = .000324750 + .000144 + .0001 = .000568750.
        let expected = |findings: &Findings| super::expected(findings).unwrap();
        let found_here = expected(&findings);
        assert!(
            (found_here.mean - 0.052_010_1).abs() < 1e-6
                && (found_here.standard_deviation - 0.000_568_750_f64.sqrt()).abs() < 1e-6,
            "{found_here:?}"
        );
        // Φ((.0520101 − .0199) / .0238485) = Φ(1.346416), and 1 − √(1 − .0520101 ∓ 1.96 · .0238485).
        assert!(
            (found_here.chance(0.01) - 0.910_91).abs() < 1e-4,
            "{}",
            found_here.chance(0.01)
        );
        let Share { value, low, high } = found_here.saving();
        assert!(
            (value - 0.026_352).abs() < 1e-5
                && (low - 0.002_638).abs() < 1e-5
                && (high - 0.050_658).abs() < 1e-5,
            "{value} {low} {high}"
        );
        // What has to be saved in order to pay.
        assert!(found_here.chance(0.05) < found_here.chance(0.01));
        let with = |saved: f64, lead: f64| {
            expected(&Findings {
                saved: Paired {
                    mean: saved,
                    standard_error: 2.0,
                },
                teacher_gap: Paired {
                    mean: lead,
                    standard_error: 5.0,
                },
                ..findings
            })
            .mean
        };
        assert!(with(8.0, 10.0) > with(4.0, 10.0) && with(4.0, 12.0) > with(4.0, 10.0));
        // The pilots of 900 held-out rows in all are fitted on 2000 − 900 = 1100 rows, a full run of 5500 on five times as many.
        let grown = RowCounts {
            available: 5500,
            ..findings.rows
        };
        let slope = |slope: f64, rows| {
            expected(&Findings {
                learning_curve: LearningCurve {
                    slope,
                    ..found().learning_curve
                },
                rows,
                ..findings
            })
        };
        assert_eq!(growth(&grown), 5.0);
        // More rows leave less to save where the baseline still gains from them, and make the saving less sure.
        assert!(
            slope(-0.8, grown).mean < slope(-0.1, grown).mean
                && slope(0.0, grown).standard_deviation > found_here.standard_deviation
        );
        assert_eq!(slope(-3.0, grown).mean, slope(-1.0, grown).mean);
        // Leads beyond the clamp say no more, and without an error there is nothing to save.
        assert_eq!(with(4.0, 31.0), with(4.0, 500.0));
        let nothing = judge(&Findings {
            rmse: Rmse {
                baseline: 0.0,
                ..found().rmse
            },
            ..findings
        });
        assert_eq!((nothing.kind, nothing.chance), (Answer::WillNotPay, 0.0));
    }

    #[test]
    fn standard_error_over_pilots_is_worked_by_hand() {
        let pilot = |baseline: f64, distilled: f64| Rmse {
            teacher: 0.0,
            baseline,
            distilled,
        };
        // Saved 3, 5 and 7: variance 4, over three.
        assert!(
            (over_pilots(&[pilot(2.0, 1.0), pilot(3.0, 2.0), pilot(4.0, 3.0)])
                - (4.0_f64 / 3.0).sqrt())
            .abs()
                < 1e-12
        );
        assert_eq!(over_pilots(&[pilot(2.0, 1.0)]), 0.0);
    }

    #[test]
    fn verdict_follows_the_chance() {
        let with = |saved: f64| {
            judge(&Findings {
                saved: Paired {
                    mean: saved,
                    standard_error: 1.0,
                },
                ..found()
            })
        };
        for saved in [-9.0, -3.0, 0.0, 1.0, 2.0, 5.0] {
            let verdict = with(saved);
            let expected = match verdict.chance {
                chance if chance >= rules::PAYS_FROM => Answer::Pays,
                chance if chance <= rules::WILL_NOT_UP_TO => Answer::WillNotPay,
                _ => Answer::Unsure,
            };
            assert_eq!(verdict.kind, expected);
        }
        assert_eq!(
            [with(9.0).kind, with(-9.0).kind],
            [Answer::Pays, Answer::WillNotPay]
        );
    }

    #[test]
    fn reasons_name_what_was_found() {
        let text = |findings: &Findings| reasons(findings).join("\n");
        let plain = text(&found());
        assert!(
            plain.contains(
                "RMSE 5.000 against 6.000, squared error lower by 3.000 (standard error 1.000)"
            ),
            "{plain}"
        );
        assert!(
            plain.contains(
                "the teacher is better than the baseline: squared error lower by 4.000 (standard error 1.000)"
            ),
            "{plain}"
        );
        assert_eq!(reasons(&found()).len(), 2);
        let gap = |mean| {
            text(&Findings {
                teacher_gap: Paired {
                    mean,
                    standard_error: 1.0,
                },
                ..found()
            })
        };
        assert!(
            gap(1.0).contains("not significantly: squared error lower by 1.000")
                && gap(-1.0).contains("no better"),
            "{}",
            gap(-1.0)
        );
        let share = Some(Share {
            value: 0.1,
            low: -0.2,
            high: 0.4,
        });
        assert!(
            text(&Findings {
                closed_form: share,
                ..found()
            })
            .contains("targets alone is as good")
        );
        let fit = Some(TeacherFit {
            out_of_fold: 4.0,
            in_sample: 1.0,
            ratio: 0.25,
        });
        assert!(
            text(&Findings {
                teacher_fit: fit,
                ..found()
            })
            .contains("repeats the targets")
        );
        let steep = LearningCurve {
            slope: -0.6,
            ..found().learning_curve
        };
        assert!(
            text(&Findings {
                learning_curve: steep,
                ..found()
            })
            .contains("5000 rows, of which preflight used 2000")
        );
        // Nothing is said of a larger table where there is none.
        let all = RowCounts {
            available: 2000,
            ..ROWS
        };
        assert!(
            !text(&Findings {
                learning_curve: steep,
                rows: all,
                ..found()
            })
            .contains("slope")
        );
    }
}
