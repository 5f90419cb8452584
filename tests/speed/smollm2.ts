/** Sizes of SmolLM2-135M that speed is counted in. */

export const LAYERS = 30;
/** Floating-point operations of a token in the products of all layers, forward; attention is not counted. The gradient with respect to
 * activations takes as many again. */
export const FLOPS_TOKEN = 2 * LAYERS * (2 * 576 * 576 + 2 * 192 * 576 + 3 * 1536 * 576);
/** Those of a row of logits. */
export const FLOPS_ROW = 2 * 576 * 49152;
