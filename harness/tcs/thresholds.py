"""Every fixed number that an expert block uses in a decision, in one place.

Scores are percentages, so differences are in percentage points. These are round numbers; none was tuned on the tasks. The summary shows
the number next to the verdict that it leads to, so that a reader can disagree.
"""

from __future__ import annotations

# --- differences between scores ---------------------------------------------------------------------------------------------------
PRACTICAL_PCT = 0.5  # a smaller gain is not worth a trial
RECENT_SHARE = 1 / 3  # "recent" trials, for the trend of the incumbent

# --- training curves --------------------------------------------------------------------------------------------------------------
FEWEST_EPOCHS = 5  # fewer usable epochs get no verdict: with fewer than 5 points the 95 % interval of a slope is unbounded
TAIL_SHARE = 1 / 3  # the last part of a curve (the tail), whose slope and noise are judged; at least FEWEST_EPOCHS
MOST_TAIL_POINTS = 20  # a longer tail is averaged to at most this many points: the slope's interval assumes uncorrelated noise
COLLAPSE_PCT = 20.0  # diverged: in the whole tail the score is at least this far below its best
UNSTABLE_NOISE_PCT = 3.0  # unstable: standard deviation from epoch to epoch in the tail
UNSTABLE_FALL_PCT = 15.0  # unstable: largest fall from one epoch to the next after the first third
OVERFIT_GAP_PCT = 10.0  # overfitting: training minus validation score in the tail is at least this, and validation no longer rises
OVERFIT_FALL_PCT = (
    2.0  # overfitting: validation at least this far (and 3 times the noise) below its best; training did not get worse
)
OVERFIT_LOSS_RISE = 0.2  # overfitting: validation loss is at least this share above its minimum; training loss did not rise
LOSS_GAP_PCT = 5.0  # overfitting by loss also needs a gap between the scores, where it is known, of at least this
UNDERFIT_GAP_PCT = 5.0  # underfitting: the gap is below this, and the training score ends low:
UNDERFIT_BELOW_BEST_PCT = 5.0  # low means this far below the best validation score of the other trials,
UNDERFIT_ALONE_PCT = 50.0  # or, when there is no other trial to compare with, below this score
PLATEAU_SHARE = 0.5  # plateau: the score was already close to its best before this share of the training

# --- evidence ---------------------------------------------------------------------------------------------------------------------
STRONG_P = 0.01
MODERATE_P = 0.05
WEAK_P = 0.20
ATTAINABLE_P = 0.05  # when no outcome could give a p this small, the block reports too little evidence
TRAIT_CONTRAST = 0.5  # a trait of failures: its share among failed trials exceeds its share among the others by at least this

# --- explore or exploit -----------------------------------------------------------------------------------------------------------
EXPLORE_SHARE = 0.3  # explore in this share of the budget at the start
EXPLOIT_SHARE = 0.2  # exploit in this share of the budget at the end
STAGNATION_SHARE = 0.2  # stagnation: no improvement for this share of the budget, and for at least
STAGNATION_TRIALS = 3  # so many trials
WIDE_GAP = 0.5  # share of a hyperparameter's scale from which a gap counts as wide
NARROW_GAP = 0.25  # a smaller share is not shown at the lowest level of detail

# --- the surrogate (a block that is not among the default ones) -------------------------------------------------------------------
SURROGATE_SCORED = 4  # trials with a score below which it knows nothing; with fewer its expectations are those of its prior
SURROGATE_TRIALS = 30  # the newest trials that it is fitted to, the incumbent among them: its time grows with the cube
SURROGATE_SHOWN = 3  # suggestions, and last trials, that it holds
SURROGATE_DRAWS = 100  # draws from the whole space, and as many around the incumbent, among which it looks for suggestions
SURROGATE_APART = 0.2  # distance between two suggestions; the range of an axis is 1
SURROGATE_SHORT = 0.5  # strong influence: a length scale of at most half the range
SURROGATE_LONG = 2.0  # weak influence: a length scale of at most twice the range; a longer one shows hardly any

# --- size -------------------------------------------------------------------------------------------------------------------------
FEW_TRIALS = 10
TOKENS_FEW_TRIALS = 1_500  # most tokens of a summary of up to FEW_TRIALS trials
TOKENS_MANY_TRIALS = 2_500  # most tokens of any summary
NAME_BYTES = 32  # a longer name is shortened; bytes bound tokens: a token of a byte-level vocabulary is at least one byte
VALUE_BYTES = 24
ERROR_BYTES = 80
POINTS_KEPT = 24  # groups of tried values that a section holds for one hyperparameter
CURVES_KEPT = 12  # earlier trials that get their own line
CONTRASTS_KEPT = 5  # pairs of trials that differ in one hyperparameter only
CONTRAST_WINDOW = 30  # such pairs are searched among so many of the newest trials
