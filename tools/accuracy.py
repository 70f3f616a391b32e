"""Overall accuracy, average accuracy, kappa and per-class figures, as people of this field report them.

Undefined figures (recall of a class without truth, kappa of one class) are None, as in the server's reports.
"""
import numpy as np


def confusion_matrix(truth, labels, classes):
    """(classes, classes) counts: rows truth, columns label; both arrays hold 0-based class indices."""
    return np.bincount(np.asarray(truth) * classes + np.asarray(labels), minlength=classes**2).reshape(classes, classes)


def ratio(part, whole):
    return float(part / whole) if whole else None


def report(matrix, names):
    """The figures of a confusion matrix as one JSON-ready object."""
    total, right = matrix.sum(), np.trace(matrix)
    support, labelled = matrix.sum(axis=1), matrix.sum(axis=0)
    classes = []
    for i, name in enumerate(names):
        precision, recall = ratio(matrix[i, i], labelled[i]), ratio(matrix[i, i], support[i])
        classes.append({"name": name, "precision": precision, "recall": recall,
                        "f1": ratio(2 * matrix[i, i], support[i] + labelled[i]), "support": int(support[i])})
    recalls = [c["recall"] for c in classes if c["recall"] is not None]
    chance = ratio((support * labelled).sum(), float(total) ** 2)
    overall = ratio(right, total)
    return {"pixels": int(total), "overall_accuracy": overall,
            "average_accuracy": ratio(sum(recalls), len(recalls)),
            "kappa": None if chance is None or chance == 1 else (overall - chance) / (1 - chance),
            "classes": classes, "confusion_matrix": matrix.tolist()}


def table(found):
    """The same, for a terminal."""
    def shown(value):
        return "   -  " if value is None else f"{value:6.4f}"
    lines = [f"{'class':24} recall precis.     f1  pixels"]
    lines += [f"{c['name'][:24]:24} {shown(c['recall'])}  {shown(c['precision'])} {shown(c['f1'])} {c['support']:7}"
              for c in found["classes"]]
    lines.append(f"overall accuracy {shown(found['overall_accuracy'])}, average accuracy "
                 f"{shown(found['average_accuracy'])}, kappa {shown(found['kappa'])}, {found['pixels']} pixels")
    return "\n".join(lines)
