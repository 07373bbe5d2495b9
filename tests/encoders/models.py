"""Tiny models with random weights, made in a second: two layers of BERT over a vocabulary of fruit."""

import shutil

VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "apple", "banana", "cherry", "grape", "lemon", "melon", "orange",
    "peach", "plum", "quince", "does", "help", "of",
]  # fmt: skip
_SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def save_tokenizer(folder):
    """A tokenizer that knows the words of the vocabulary."""
    from transformers import BertTokenizerFast

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)


def configuration(**changes):
    """A BERT of two layers that has 64 positions."""
    from transformers import BertConfig

    given = {"vocab_size": len(VOCABULARY), "max_position_embeddings": 64, "initializer_range": 0.2}
    return BertConfig(**_SIZE, **given | changes)


def save_bi_encoder(folder, seed, broken=False, **changes):
    """A bi-encoder with mean pooling and prompts of its own; a broken one's vectors are not finite."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertModel

    bert = folder.parent / f"{folder.name}-bert"
    save_tokenizer(bert)
    torch.manual_seed(seed)
    model = BertModel(configuration(**changes))
    if broken:
        torch.nn.init.constant_(model.embeddings.word_embeddings.weight, float("nan"))
    model.save_pretrained(bert, safe_serialization=True)
    modules = [Transformer(str(bert)), Pooling(32)]
    SentenceTransformer(modules=modules, prompts={"query": "help ", "document": ""}, device="cpu").save(str(folder))
    shutil.rmtree(bert)
    return folder


def save_cross_encoder(folder, seed, outputs=1, broken=False, **changes):
    """A cross-encoder with `outputs` outputs; a broken one's scores are not finite."""
    import torch
    from transformers import BertForSequenceClassification

    save_tokenizer(folder)
    torch.manual_seed(seed)
    model = BertForSequenceClassification(configuration(num_labels=outputs, **changes))
    if broken:
        torch.nn.init.constant_(model.classifier.weight, float("nan"))
    model.save_pretrained(folder, safe_serialization=True)
    return folder
