// German: runs: the first view, the lab and recorded runs.

export const runs = {
};
