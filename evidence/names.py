"""Names in reports: those of earlier versions (`schema` 1) are read as the names of today.

    json.loads(text, object_hook=today)
"""
KEYS = {"alone": "baseline", "lone": "baselines", "valid_error_alone": "valid_error_baseline", "valid_rmse_alone": "valid_error_baseline"}


def today(found):
    """An object of a report with the names of today; an object that has them already is returned unchanged."""
    return {KEYS.get(key, key): "baseline" if key in ("kind", "ships") and value == "alone" else value for key, value in found.items()}
