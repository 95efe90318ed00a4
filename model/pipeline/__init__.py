"""Principal components and a logistic regression that name the species of an iris; scikit-learn, asked by file."""
