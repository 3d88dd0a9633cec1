"""sentence-transformers and FAISS by hand: what one writes without any library of this kind."""

import json

import faiss
from sentence_transformers import SentenceTransformer


class Library:
    def __init__(self, model):
        self.model = SentenceTransformer(model)

    def build(self, folder, texts, vectors):
        if vectors is None:
            vectors = self.model.encode(texts, normalize_embeddings=True)
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        folder.mkdir(parents=True)
        faiss.write_index(index, str(folder / "vectors.faiss"))
        (folder / "texts.json").write_text(json.dumps(texts))

    def open(self, folder):
        self.index = faiss.read_index(str(folder / "vectors.faiss"))
        self.texts = json.loads((folder / "texts.json").read_text())

    def search(self, question, k):
        scores, rows = self.index.search(self.model.encode([question], normalize_embeddings=True), k)
        return [(int(row), float(score)) for row, score in zip(rows[0], scores[0], strict=True) if row >= 0]
