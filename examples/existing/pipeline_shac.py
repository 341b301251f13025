"""A pipeline of scikit-learn, searched by SHAC."""

from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from shac.integrations.sklearn import SHACSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

X, y = load_digits(return_X_y=True)
X, y = X[:300], y[:300]
pipeline = make_pipeline(StandardScaler(), PCA(random_state=0), SVC())
space = {"pca__n_components": [10, 20, 40], "svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-6, 1e-1)}
search = SHACSearchCV(pipeline, space, n_iter=24, num_batches=3, cv=3, random_state=0)
search.fit(X, y)
print(search.best_params_, search.best_score_)
