"""Values that options take, without the libraries of the modules that act on them: --help has to work where those
are missing."""

PATCH_SIDES = (7, 9, 11)
ATTENTION_FORMS = ("published", "paper")
NODATA_RULES = ("auto", "any", "all")
SIGNS = ("loadings", "scores")
