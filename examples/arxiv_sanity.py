"""Recommend from a set of documents, as arxiv-sanity does: TF-IDF, and one SVM per set.

arxiv-sanity (Karpathy) trains scikit-learn's LinearSVC(class_weight="balanced", C=0.01) with the
papers of a tag as positives and all papers as negatives, and ranks all papers by its scores. Here
the documents are the docstrings of Python's standard library, and those that mention threads are
tagged. Needs scikit-learn.
"""

import ast
import sysconfig
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer

import exemplar_svm as esvm


def docstrings():
    """Yield names and docstrings."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                text = ast.get_docstring(node) or ""
                if len(text) >= 40:
                    yield f"{path.stem}.{node.name}", text


names, texts = zip(*docstrings(), strict=True)
vectorizer = TfidfVectorizer(max_features=20_000, sublinear_tf=True, ngram_range=(1, 2))
tfidf = vectorizer.fit_transform(texts)
tfidf.sort_indices()  # in place; the vectorizer does not sort them
print(f"{tfidf.shape[0]} docstrings, {tfidf.shape[1]} features, {tfidf.nnz} values")

tagged = [row for row, text in enumerate(texts) if "thread" in text.lower()][:60]
index = esvm.ExemplarIndex(tfidf, C=0.01, copy=False)  # read in place

# Positives given by row number are no negatives, and are not returned.
result = index.search_shared(tagged, k=10)
print(f"like the {len(tagged)} that mention threads:")
for score, row in zip(*result, strict=True):
    print(f"{score:8.4f}  {names[row]}")

# A new document need not be in the index.
query = vectorizer.transform(["wait until a lock is released by another thread"])
scores, rows = index.search(query, k=5)
print("like a sentence:", *(names[row] for row in rows[0]))

# The words with the largest weights.
words = vectorizer.get_feature_names_out()
coef = index.fit(tagged).coef_
print("words for:", *words[(-coef).argsort()[:8]])
