"""Search a matrix of embeddings with an exemplar SVM per query."""

import numpy as np

import exemplar_svm as esvm

rng = np.random.default_rng(0)
centres = rng.standard_normal((20, 256))
embeddings = (centres[rng.integers(20, size=10_000)] + rng.standard_normal((10_000, 256))).astype(
    np.float32
)
embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)

index = esvm.ExemplarIndex(embeddings)

# One query: the ten rows that a linear SVM finds most like row 42, and unlike everything else.
result = index.search(embeddings[42], k=10)
scores, indices = result
print(indices)
print(f"{result.report.certified_k} of 10 ranks proven exact")

# Two examples in one SVM, which ranks by what they have in common.
scores, indices = index.search_shared(embeddings[[42, 43]], k=10)
print(indices)

# The trained model is one vector: hand it to any inner-product index.
vector = index.fit(embeddings[42]).inner_product_query()
print(np.argsort(-(embeddings @ vector))[:10])
