import warnings

# Brevitas says so wherever it is imported, above every line of ours; nothing here needs that package
warnings.filterwarnings("ignore", message="fast_hadamard_transform package not found")
