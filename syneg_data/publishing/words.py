"""What the names on a card mean: configs, columns and the reasons why rows were refused."""

CONFIGS = {
    "triplet": "`query`, `positive`, `negative`: a row per negative",
    "n-tuple": "`query`, `positive`, `negative_1` and so on: a row per example",
    "ragged": "`query`, `positive`, `negatives` (a list): a row per example",
    "ids": "the same examples as ids, with source and relevance of each negative",
    "corpus": "every document; `synthetic` marks those that were written for this set",
    "queries": "the queries",
    "qrels": "which documents are relevant to which queries",
    "candidates": "all that was ever considered, with scores, verdict and reason",
    "scores": "what every reranker said of every document, raw",
    "generations": "every reply of the generator, kept or not",
}

REASONS = {
    "over_limit": "pairs of queries beyond the recipe's `limit`",
    "no_text": "a text is empty",
    "not_there": "the judgement names a query or document that the source does not hold",
    "positive": "known to be relevant to the query",
    "text_of_positive": "has the text of a relevant document",
    "text_of_query": "is the query itself",
    "same_text": "the same text stands under another id",
    "near_duplicate_of_positive": "nearly the text of a relevant document",
    "truncated": "the reply was cut off",
    "invalid": "the reply was not what was asked for",
    "refused": "the model declined",
    "copied": "copied from another text",
    "degenerate": "repetition, markup, parts of the prompt, or far too short or long",
    "duplicate": "the same text was there already",
    "false_negative": "the gate holds it to be relevant",
    "ambiguous": "the gate cannot tell",
    "too_easy": "no more relevant than a random document",
    "less_relevant": "less relevant than the original",
    "not_selected": "kept by the gate, not needed by mixing",
    "capped": "kept by the gate, but a negative of other queries often enough already",
    "score_not_finite": "a reranker gave no usable score",
    "failed": "no reply, or no score",
}

SYNEG = """@misc{li2024syneg,
  title = {{SyNeg}: {LLM}-Driven Synthetic Hard-Negatives for Dense Retrieval},
  author = {Li, Xiaopeng and Li, Xiangyang and Zhang, Hao and Du, Zhaocheng and Jia, Pengyue and Wang, Yichao and
            Zhao, Xiangyu and Guo, Huifeng and Tang, Ruiming},
  year = {2024},
  eprint = {2412.17250},
  archivePrefix = {arXiv},
  primaryClass = {cs.IR}
}"""

SENTENCE_BERT = """@inproceedings{reimers-2019-sentence-bert,
  title = {{Sentence-BERT}: Sentence Embeddings using {Siamese} {BERT}-Networks},
  author = {Reimers, Nils and Gurevych, Iryna},
  booktitle = {Proceedings of the 2019 Conference on Empirical Methods in Natural Language Processing},
  year = {2019},
  publisher = {Association for Computational Linguistics},
  url = {https://arxiv.org/abs/1908.10084}
}"""

# Objective -> the library's loss that it is, where it is one of them, and what to cite for it.
LOSSES = {
    "ranking": "MultipleNegativesRankingLoss",
    "cached_ranking": "CachedMultipleNegativesRankingLoss",
    "guided": "CachedGISTEmbedLoss",
    "distillation": "DistillKLDivLoss",
}
OBJECTIVES = {
    "ranking": "the positive against its hard negatives and the batch's other documents, softmax over cosines",
    "cached_ranking": "the positive against its hard negatives and the batch's other documents, with cached gradients "
    "(Gao et al. 2021, arXiv 2101.06983)",
    "guided": "the positive against its hard negatives and the batch's other documents, false negatives masked by a "
    "guide (Solatorio 2024, arXiv 2402.16829)",
    "distillation": "the relevance that the data set's rerankers gave, KL divergence over each example "
    "(Lin et al. 2020, arXiv 2010.11386)",
}
