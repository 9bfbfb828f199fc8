// German: the view “Device”.

export const device = {
};
