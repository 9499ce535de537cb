"""Every fixed number that an expert block decides by, in one place.

Scores are percentages, so differences are percentage points. None of these is tuned on the tasks: they are round numbers, said in the
summary beside the verdict they lead to, so that a reader can disagree.
"""

from __future__ import annotations

# --- differences between scores ---------------------------------------------------------------------------------------------------
PRACTICAL_PCT = 0.5  # a smaller gain is not worth a trial
RECENT_SHARE = 1 / 3  # "recent" trials, for the trend of the incumbent

# --- training curves --------------------------------------------------------------------------------------------------------------
FEWEST_EPOCHS = 5  # with fewer usable epochs there is no verdict: no 95 % interval of a slope is bounded below 5 points
TAIL_SHARE = 1 / 3  # the part of a curve whose slope and noise are judged; at least FEWEST_EPOCHS
MOST_TAIL_POINTS = 20  # a longer tail is averaged in runs: its noise is autocorrelated, which a slope's interval does not know
COLLAPSE_PCT = 20.0  # diverged: in the whole tail the score stays this far below its best
UNSTABLE_NOISE_PCT = 3.0  # unstable: standard deviation from epoch to epoch in the tail
UNSTABLE_FALL_PCT = 15.0  # unstable: largest fall from one epoch to the next after the first third
OVERFIT_GAP_PCT = 10.0  # overfitting: training minus validation score in the tail, the latter no longer rising
OVERFIT_FALL_PCT = 2.0  # overfitting: validation this far below its best (and 3 noises) while training did not get worse
OVERFIT_LOSS_RISE = 0.2  # overfitting: validation loss this share above its minimum while training loss did not rise
LOSS_GAP_PCT = 5.0  # ... if the gap between the scores, where known, is at least this
UNDERFIT_GAP_PCT = 5.0  # underfitting: the gap is below this, and the training score ends below the bar:
UNDERFIT_BELOW_BEST_PCT = 5.0  # this far below the best validation score of the other trials,
UNDERFIT_ALONE_PCT = 50.0  # or, with no other trial to compare, below this
PLATEAU_SHARE = 0.5  # plateau: within reach of its best before this share of the training

# --- evidence ---------------------------------------------------------------------------------------------------------------------
STRONG_P = 0.01
MODERATE_P = 0.05
WEAK_P = 0.20
ATTAINABLE_P = 0.05  # when no outcome could have given a p this small, there is too little evidence to speak at all
TRAIT_CONTRAST = 0.5  # a trait of failures: its share among the failed exceeds its share among the others by this

# --- explore or exploit -----------------------------------------------------------------------------------------------------------
EXPLORE_SHARE = 0.3  # of the budget, at the start
EXPLOIT_SHARE = 0.2  # of the budget, at the end
STAGNATION_SHARE = 0.2  # of the budget without improvement, and at least:
STAGNATION_TRIALS = 3
WIDE_GAP = 0.5  # of a hyperparameter's scale
NARROW_GAP = 0.25  # not worth a mention where room is short

# --- size -------------------------------------------------------------------------------------------------------------------------
FEW_TRIALS = 10
TOKENS_FEW_TRIALS = 1_500  # bound of a summary of up to FEW_TRIALS trials
TOKENS_MANY_TRIALS = 2_500  # bound of any summary
NAME_BYTES = 32  # a longer name is shortened (a token of a byte-level vocabulary is at least one byte)
VALUE_BYTES = 24
ERROR_BYTES = 80
POINTS_KEPT = 24  # groups of tried values that a section holds for one hyperparameter
CURVES_KEPT = 12  # earlier trials with a line of their own
CONTRASTS_KEPT = 5
CONTRAST_WINDOW = 30  # trials among which one-knob pairs are looked for
