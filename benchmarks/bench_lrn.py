"""Local response normalization in both positions, in every implementation that runs here."""


def test_lrn(norm, arm, time_layer):
    time_layer(norm, arm)
