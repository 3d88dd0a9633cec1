"""txtai: `Embeddings` with its content in SQLite and its default vector index, FAISS, which it makes by size."""

from txtai import Embeddings


class Library:
    def __init__(self, model):
        self.embeddings = Embeddings(path=model, content=True)

    def build(self, folder, texts, vectors):
        if vectors is not None:
            row = {text: at for at, text in enumerate(texts)}
            self.embeddings.model.encode = lambda batch, category=None: vectors[[row[text] for text in batch]]
        self.embeddings.index(enumerate(texts))
        self.embeddings.save(str(folder))

    def open(self, folder):
        self.embeddings.load(str(folder))

    def search(self, question, k):
        return [(int(found["id"]), found["score"]) for found in self.embeddings.search(question, k)]
