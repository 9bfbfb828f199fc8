// German: the equations.

export const equations = {
};
